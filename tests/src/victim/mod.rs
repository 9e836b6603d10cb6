//! What the victims share. A victim works in rounds; in each it checks its own state and
//! writes `round N`, or `fault WHAT` and ends.

pub mod calls;
pub mod general;
pub mod hard;
#[allow(unsafe_code)]
pub mod movable;
pub mod pattern;
#[allow(unsafe_code)]
pub mod raw;
#[allow(unsafe_code)]
pub mod region;
pub mod report;
pub mod restartable;
pub mod signals;
pub mod vector;

use std::io::Write;
use std::time::Duration;

use rustix::thread::{NanosleepRelativeResult, nanosleep};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Count of rounds gone through.
#[derive(Debug, Default)]
pub struct Rounds(u64);

impl Rounds {
    /// A round went well: tell it.
    pub fn done(&mut self) {
        self.0 += 1;
        say(&format!("round {}", self.0));
    }

    /// Rounds told so far.
    pub fn count(&self) -> u64 {
        self.0
    }
}

/// One line to the log, in one write.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(format!("{line}\n").as_bytes())
        .expect("the log takes a line");
    stdout.flush().expect("the log takes a line");
}

/// Tell of a wrong state, and end.
pub fn fault(what: &str) -> ! {
    say(&format!("fault {what}"));
    std::process::exit(1);
}

/// Tell of a wrong state, and end, unless the condition holds.
pub fn check(condition: bool, what: &str) {
    if !condition {
        fault(what);
    }
}

/// Name of the environment variable that lets a victim see EINTR from calls that a restore
/// cannot continue: the kernel keeps what is left of a timeout in a restart block, and no
/// image can hold that. A dump with resume has no such excuse.
pub const EINTR_ALLOWED: &str = "VICTIM_EINTR_ALLOWED";

/// A call with a timeout was interrupted: a fault, unless the victim goes through a restore.
pub fn interrupted(call: &str) {
    if std::env::var_os(EINTR_ALLOWED).is_none() {
        fault(&format!("{call}: EINTR"));
    }
}

/// nanosleep(2), which must neither be interrupted nor come back early.
pub fn sleep(duration: Duration) {
    let now = || clock_gettime(ClockId::Monotonic);
    let mut left = Timespec::try_from(duration).expect("a short time");
    let end = now() + left;
    loop {
        match nanosleep(&left) {
            NanosleepRelativeResult::Ok => break,
            NanosleepRelativeResult::Interrupted(rest) => {
                interrupted("nanosleep");
                left = rest;
            }
            NanosleepRelativeResult::Err(errno) => fault(&format!("nanosleep: {errno}")),
        }
    }
    check(now() >= end, "nanosleep came back early");
}
