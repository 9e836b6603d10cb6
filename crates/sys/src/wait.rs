//! Waiting for a tracee's next stop: wait4(2) with `__WALL`.

use std::time::{Duration, Instant};

use linux_raw_sys::ptrace::PTRACE_EVENT_STOP;
use rustix::process::{WaitOptions, waitpid};

use crate::{Errno, Error, Result, Tid};

/// `__WALL` (wait(2)): threads count like children.
const WALL: u32 = 0x4000_0000;

/// `SIGTRAP`.
const SIGTRAP: i32 = 5;

/// What a tracee did (ptrace(2), "Stopped states").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `PTRACE_EVENT_STOP` after `PTRACE_INTERRUPT`, or at a new thread's start.
    Event,
    /// A group-stop by this signal (SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU).
    Group(i32),
    /// At the entry or exit of a system call.
    Syscall,
    /// This signal is about to be delivered.
    Signal(i32),
    /// The thread ended: exit status or fatal signal are of no use here.
    Gone,
}

impl Stop {
    /// Takes a wait status apart. Other `PTRACE_EVENT_*` stops are asked for
    /// by no option of ours; they would be shown as the signal SIGTRAP.
    fn from_raw(status: i32) -> Self {
        if status & 0xff != 0x7f {
            return Self::Gone;
        }
        let (signal, event) = (status >> 8 & 0xff, (status >> 16) as u32);
        match (signal, event) {
            (SIGTRAP, PTRACE_EVENT_STOP) => Self::Event,
            (signal, PTRACE_EVENT_STOP) => Self::Group(signal),
            (signal, _) if signal == SIGTRAP | 0x80 => Self::Syscall,
            (signal, _) => Self::Signal(signal),
        }
    }
}

/// Takes the tracee's next report if there is one; never blocks.
pub fn try_wait(tid: Tid) -> Result<Option<Stop>> {
    let options = WaitOptions::from_bits_retain(WALL) | WaitOptions::NOHANG;
    let pid = rustix::process::Pid::from_raw(tid.get());
    match waitpid(pid, options) {
        Ok(None) => Ok(None),
        Ok(Some((_, status))) => Ok(Some(Stop::from_raw(status.as_raw()))),
        // The last thread of an execing or killed group vanishes unreaped.
        Err(Errno::CHILD) => Ok(Some(Stop::Gone)),
        Err(errno) => Err(Error::new("wait4", tid.get(), errno)),
    }
}

/// How long to poll before sleeping between two looks: a tracee that runs on another processor
/// stops within microseconds. It may need ours, too, where threads of ours have the others.
const SPIN: Duration = Duration::from_micros(30);

/// How long to pause between two looks at a tracee: not at all first, then
/// longer and longer.
#[derive(Clone, Copy, Debug)]
pub struct Backoff(Instant);

impl Backoff {
    /// For a wait that begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Whether there is hope that the next look finds something at once.
    pub fn is_fresh(&self) -> bool {
        self.0.elapsed() < SPIN
    }

    /// Lets some time pass, at most a sixteenth of what has passed already.
    pub fn pause(&self) {
        let waited = self.0.elapsed();
        if waited < SPIN {
            std::thread::yield_now();
        } else {
            std::thread::sleep(Duration::from_micros(5).max(waited / 16));
        }
    }
}

/// Waits for the tracee's next report, `timeout` at the longest.
///
/// # Errors
///
/// ETIMEDOUT when nothing came: the thread is in uninterruptible sleep.
pub fn wait(tid: Tid, timeout: Duration) -> Result<Stop> {
    let backoff = Backoff::start();
    loop {
        if let Some(stop) = try_wait(tid)? {
            return Ok(stop);
        }
        if backoff.0.elapsed() >= timeout {
            return Err(Error::new("wait4", tid.get(), Errno::TIMEDOUT));
        }
        backoff.pause();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_apart() {
        // Values by wait(2) and ptrace(2): status is signal << 8 | 0x7f, an
        // event adds event << 16, TRACESYSGOOD sets bit 7 of the signal.
        assert_eq!(Stop::from_raw((128 << 16) | (5 << 8) | 0x7f), Stop::Event);
        assert_eq!(
            Stop::from_raw((128 << 16) | (19 << 8) | 0x7f),
            Stop::Group(19)
        );
        assert_eq!(Stop::from_raw((0x85 << 8) | 0x7f), Stop::Syscall);
        assert_eq!(Stop::from_raw((10 << 8) | 0x7f), Stop::Signal(10));
        assert_eq!(Stop::from_raw(9), Stop::Gone);
        assert_eq!(Stop::from_raw(3 << 8), Stop::Gone);
    }
}
