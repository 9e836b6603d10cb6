//! Running a dumper and killing it, or asking it to end, at one of its own system call stops.

use std::io;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::{counter::Counter, traced};

/// How a dumper ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By the signal, or after it, at the stop that was asked for.
    Signalled,
    /// By itself, after so many stops, with this wait status.
    Finished {
        /// System call stops, entries and exits, of all its threads.
        stops: usize,
        /// 0 for success (wait(2)).
        status: i32,
    },
}

/// Who counts the stops of a dumper.
pub enum Killer {
    /// A program in the kernel. The dumper is as it is without us.
    Unseen(Counter),
    /// The dumper's tracer. Its caretaker cannot trace it then.
    Traced,
}

impl Killer {
    /// A program in the kernel.
    ///
    /// # Errors
    ///
    /// Where it may not be loaded.
    pub fn unseen() -> io::Result<Self> {
        Counter::load().map(Self::Unseen)
    }

    /// A program in the kernel or, where it may not be loaded, a tracer.
    pub fn best() -> Self {
        Self::unseen().unwrap_or(Self::Traced)
    }

    /// Run a dumper and kill it: [`Killer::signal_at`] with SIGKILL.
    pub fn kill_at(&mut self, dumper: &Command, point: usize) -> End {
        self.signal_at(dumper, point, Signal::KILL)
    }

    /// Run a dumper and send it a signal at its `point`th system call stop, entries and exits of
    /// all its threads counted from 1, the exit of the execve(2) that began it first.
    ///
    /// # Panics
    ///
    /// When it cannot be started, traced or counted.
    pub fn signal_at(&mut self, dumper: &Command, point: usize, signal: Signal) -> End {
        match self {
            Self::Unseen(counter) => counter.run(dumper, point, signal),
            Self::Traced => traced::run(dumper, point, signal),
        }
    }
}

/// A shell that becomes the dumper after it did `first`: in the meantime we can get ready.
pub(super) fn shell(first: &str, dumper: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{first}; exec \"$@\""), "sh"])
        .arg(dumper.get_program())
        .args(dumper.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    shell
}
