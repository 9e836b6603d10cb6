//! `/proc/PID/timers`: the POSIX timers of a task (timer_create(2)).

use commensal_sys::Pid;

use super::{path, read, unexpected};
use crate::Result;

/// One POSIX timer; its times are only told inside the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// The id, unique in the task.
    pub id: i32,
    /// The signal it sends.
    pub signal: u32,
    /// What the signal carries (`sigev_value`).
    pub value: u64,
    /// How it notifies: `SIGEV_SIGNAL` (0), `SIGEV_NONE` (1) or `SIGEV_THREAD`
    /// (2), and `SIGEV_THREAD_ID` (4) or-ed in where one thread is notified.
    pub notify: u32,
    /// The thread that is notified, with `SIGEV_THREAD_ID`.
    pub thread: Option<i32>,
    /// The clock, as clockid_t: negative for the CPU time of a task.
    pub clock: i32,
}

/// `SIGEV_THREAD_ID` (asm-generic/siginfo.h).
const SIGEV_THREAD_ID: u32 = 4;

/// The timers of a task, the oldest first.
///
/// # Errors
///
/// As [`read`], and when the text has another form than proc(5) gives.
pub fn timers(pid: Pid) -> Result<Vec<Timer>> {
    let text = read(pid, "timers")?;
    parse(&text).map_err(|line| unexpected(path(pid, "timers"), line))
}

/// Takes the text apart; an error is the line that is not understood.
///
/// ```text
/// ID: 1
/// signal: 60/00007fff86e452a8
/// notify: signal/pid.2634
/// ClockID: 0
/// ```
pub fn parse(text: &[u8]) -> Result<Vec<Timer>, &[u8]> {
    let mut timers = Vec::new();
    let mut lines = text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    while let Some(first) = lines.next() {
        let id = field(first, "ID: ").and_then(|id| id.parse().ok());
        let mut timer = Timer {
            id: id.ok_or(first)?,
            signal: 0,
            value: 0,
            notify: 0,
            thread: None,
            clock: 0,
        };
        // Newer kernels may add lines behind these.
        for parse in [signal, notify, clock] {
            let line = lines.next().ok_or(first)?;
            parse(&mut timer, line).ok_or(line)?;
        }
        timers.push(timer);
    }
    // /proc lists the newest first.
    timers.reverse();
    Ok(timers)
}

fn field<'a>(line: &'a [u8], key: &str) -> Option<&'a str> {
    str::from_utf8(line).ok()?.strip_prefix(key)
}

fn signal(timer: &mut Timer, line: &[u8]) -> Option<()> {
    let (signal, value) = field(line, "signal: ")?.split_once('/')?;
    timer.signal = signal.parse().ok()?;
    timer.value = u64::from_str_radix(value.trim_start_matches("0x"), 16).ok()?;
    Some(())
}

fn notify(timer: &mut Timer, line: &[u8]) -> Option<()> {
    let (how, whom) = field(line, "notify: ")?.split_once('/')?;
    timer.notify = match how {
        "signal" => 0,
        "none" => 1,
        "thread" => 2,
        _ => return None,
    };
    let (kind, id) = whom.split_once('.')?;
    match kind {
        "pid" => {}
        "tid" => {
            timer.notify |= SIGEV_THREAD_ID;
            timer.thread = Some(id.parse().ok()?);
        }
        _ => return None,
    }
    Some(())
}

fn clock(timer: &mut Timer, line: &[u8]) -> Option<()> {
    timer.clock = field(line, "ClockID: ")?.parse().ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"ID: 1\nsignal: 34/0000000000000000\nnotify: none/pid.7\nClockID: -6\n\
        ID: 0\nsignal: 10/00007fff86e452a8\nnotify: signal/tid.9\nClockID: 1\n";

    #[test]
    fn timers_come_in_the_order_of_their_birth() {
        let timers = parse(TEXT).unwrap();
        assert_eq!(timers.len(), 2);
        assert_eq!(
            timers[0],
            Timer {
                id: 0,
                signal: 10,
                value: 0x7fff_86e4_52a8,
                notify: 4,
                thread: Some(9),
                clock: 1
            }
        );
        assert_eq!(
            (timers[1].id, timers[1].notify, timers[1].clock),
            (1, 1, -6)
        );
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        assert_eq!(parse(b"ID: x\n"), Err(&b"ID: x"[..]));
        assert_eq!(parse(b"ID: 1\nsignal: 34\n"), Err(&b"signal: 34"[..]));
        assert_eq!(parse(b"ID: 1\n"), Err(&b"ID: 1"[..]));
        assert_eq!(parse(b""), Ok(vec![]));
    }
}
