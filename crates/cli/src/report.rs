//! Errors and figures, for a person and as JSON.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use commensal_dump::{Error, Options, Refusal, Summary, Then};
use commensal_sys::{Errno, Pid};
use miette::{Diagnostic, MietteHandlerOpts};

use crate::destination::Place;

/// A failed dump: what failed, why, and what to do about it.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("process {pid} was not dumped")]
struct Failure {
    pid: Pid,
    source: Cause,
    #[help]
    help: Option<&'static str>,
    #[related]
    refusals: Vec<Refused>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

/// Things that cannot be dumped for one reason, with its remedy.
#[derive(Debug)]
struct Refused {
    places: Vec<String>,
    refusal: Refusal,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { what, reason, .. } = &self.refusal;
        let verb = if self.places.len() == 1 {
            "is"
        } else {
            "are each"
        };
        write!(f, "{} {verb} {what}: {reason}", self.places.join(", "))
    }
}

impl Diagnostic for Refused {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.refusal.remedy))
    }
}

impl Failure {
    fn new(pid: Pid, error: Error) -> Self {
        let help = help(&error);
        let cause = with_sources(&error);
        match error {
            Error::Refused(refusals) => Self {
                pid,
                source: Cause(match refusals.len() {
                    1 => "one thing in its tree cannot be dumped".to_owned(),
                    n => format!("{n} things in its tree cannot be dumped"),
                }),
                help,
                refusals: group(refusals),
            },
            _ => Self {
                pid,
                source: Cause(cause),
                help,
                refusals: Vec::new(),
            },
        }
    }
}

/// Puts together what is refused for the same reason at several places.
fn group(refusals: Vec<Refusal>) -> Vec<Refused> {
    let mut groups: Vec<Refused> = Vec::new();
    for refusal in refusals {
        let place = refusal.place.to_string();
        let same = |group: &&mut Refused| {
            group.refusal.what == refusal.what && group.refusal.reason == refusal.reason
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.places.push(place),
            None => groups.push(Refused {
                places: vec![place],
                refusal,
            }),
        }
    }
    groups
}

/// The error and what caused it, in one line: what a log gets.
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors name their cause already.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn help(error: &Error) -> Option<&'static str> {
    match error {
        Error::Sys(error) if error.errno == Errno::PERM || error.errno == Errno::ACCESS => Some(
            "Run as the same user as the process or with CAP_SYS_PTRACE; \
             /proc/sys/kernel/yama/ptrace_scope may also forbid it, and so does another tracer.",
        ),
        Error::Sys(error) if error.is_gone() => Some("It has ended: there is nothing to dump."),
        Error::Gone { .. } => Some("There is no such process, or no longer: see ps -e."),
        Error::Cancelled => Some("The tree runs on as it did before; dump again when you like."),
        _ => None,
    }
}

/// Prints a failed dump on standard error.
pub fn print_error(pid: Pid, error: Error) {
    let terminal = io::stderr().is_terminal();
    // Whoever reads a file or a pipe looks for phrases, which must not be broken into lines.
    // Fails only if a handler is set already, which is then as good.
    let _ = miette::set_hook(Box::new(move |_| {
        Box::new(MietteHandlerOpts::new().wrap_lines(terminal).build())
    }));
    eprintln!("{:?}", miette::Report::new(Failure::new(pid, error)));
}

/// Prints the figures of a dump on standard output; on standard error where a stream takes that.
pub fn print_summary(
    pid: Pid,
    place: &Place,
    options: &Options,
    summary: &Summary,
    json: bool,
) -> io::Result<()> {
    let mut out: Box<dyn Write> = match place.takes_stdout() {
        true => Box::new(io::stderr().lock()),
        false => Box::new(io::stdout().lock()),
    };
    if json {
        let json = serde_json::to_string(&as_json(pid, options, summary));
        return writeln!(out, "{}", json.map_err(io::Error::other)?);
    }
    let (dir, to) = match place {
        Place::Dir(dir) => (dir.display().to_string(), dir.display().to_string()),
        Place::Stream(fd) => ("DIR".to_owned(), format!("descriptor {fd}")),
    };
    writeln!(out, "process {pid} is dumped to {to}")?;
    writeln!(
        out,
        "  {}, {}, {}",
        count(summary.tasks, "task"),
        count(summary.threads, "thread"),
        count(summary.mappings, "mapping")
    )?;
    let pages = summary.pages_written + summary.shared_pages_written;
    writeln!(
        out,
        "  {}, {} of images",
        count(pages, "page"),
        count(summary.bytes_written, "byte")
    )?;
    if summary.rounds > 0 {
        writeln!(
            out,
            "  {} rounds of pre-copy: {} pages copied, {} taken from them",
            summary.rounds, summary.pages_pre_copied, summary.pages_in_parent
        )?;
    }
    writeln!(
        out,
        "  frozen for {:.1?} of {:.1?}",
        summary.frozen, summary.total
    )?;
    if summary.unread_terminals > 0 {
        writeln!(
            out,
            "  lost: what is unread in {} terminals, see the warnings",
            summary.unread_terminals
        )?;
    }
    let job = if options.shell_job {
        " --shell-job"
    } else {
        ""
    };
    let first = match options.then {
        Then::Kill => "",
        Then::Resume | Then::Stop => ", once its pids are free",
    };
    if let Place::Stream(_) = place {
        writeln!(out, "make files of it: commensal extract -D {dir} < STREAM")?;
    }
    let root = match summary.own_mounts {
        true => " --root DIRECTORY",
        false => "",
    };
    writeln!(
        out,
        "bring it back{first}: criu restore -d -D {dir}{job}{root}"
    )
}

/// So many of something: "1 task", "2 tasks".
fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn as_json(pid: Pid, options: &Options, summary: &Summary) -> serde_json::Value {
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    serde_json::json!({
        "pid": pid.get(),
        "images_dir": options.images_dir.to_string_lossy(),
        "tasks": summary.tasks,
        "threads": summary.threads,
        "mappings": summary.mappings,
        "pages_scanned": summary.pages_scanned,
        "pages_written": summary.pages_written,
        "rounds": summary.rounds,
        "pages_pre_copied": summary.pages_pre_copied,
        "pages_in_parent": summary.pages_in_parent,
        "shared_pages_scanned": summary.shared_pages_scanned,
        "shared_pages_written": summary.shared_pages_written,
        "own_mounts": summary.own_mounts,
        "unread_terminals": summary.unread_terminals,
        "bytes_written": summary.bytes_written,
        "freezing_us": micros(summary.freezing),
        "frozen_us": micros(summary.frozen),
        "memory_dump_us": micros(summary.memory_dump),
        "memory_write_us": micros(summary.memory_write),
        "total_us": micros(summary.total),
    })
}
