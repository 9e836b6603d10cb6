//! Where log lines go, and CRIU's form of them.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::time::Instant;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Logs to standard error: warnings, and with every `verbose` a level more.
pub fn to_stderr(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .with_target(false)
        .init();
}

/// Logs as CRIU does, at its `verbosity`: 0 nothing, 1 errors, 2 warnings too, 3 information and
/// timestamps too, 4 and more debugging.
pub fn as_criu(verbosity: u32, file: File) {
    let level = match verbosity {
        0 => LevelFilter::OFF,
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let format = CriuFormat {
        start: (verbosity >= 3).then(Instant::now),
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .event_format(format)
        .with_writer(Mutex::new(file))
        .init();
}

/// `(00.012345) Error (file.rs:12): what`, by which test suites find the reason of a failure.
struct CriuFormat {
    start: Option<Instant>,
}

impl<S, N> FormatEvent<S, N> for CriuFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if let Some(start) = self.start {
            let passed = start.elapsed();
            write!(
                writer,
                "({:02}.{:06}) ",
                passed.as_secs(),
                passed.subsec_micros()
            )?;
        }
        let place = event.metadata();
        let (file, line) = (place.file().unwrap_or("?"), place.line().unwrap_or(0));
        match *place.level() {
            Level::ERROR => write!(writer, "Error ({file}:{line}): ")?,
            Level::WARN => write!(writer, "Warn  ({file}:{line}): ")?,
            _ => {}
        }
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
