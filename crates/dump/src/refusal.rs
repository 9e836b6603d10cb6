//! What cannot be dumped is refused by name: what, where, why, and what to do.

use core::fmt;

use commensal_sys::{Pid, RemoteRange, Tid};

/// Where in the tree the thing was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A descriptor of a task.
    Fd {
        /// The task.
        pid: Pid,
        /// The descriptor's number.
        fd: i32,
    },
    /// A mapping of a task.
    Mapping {
        /// The task.
        pid: Pid,
        /// The mapping's addresses.
        range: RemoteRange,
    },
    /// A task as a whole.
    Task {
        /// The task.
        pid: Pid,
    },
    /// A file that a task holds without a descriptor: its `exe`, `cwd` or `root`.
    Link {
        /// The task.
        pid: Pid,
        /// The name in `/proc/PID`.
        name: &'static str,
    },
    /// One thread.
    Thread {
        /// The thread.
        tid: Tid,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fd { pid, fd } => write!(f, "descriptor {fd} of task {pid}"),
            Self::Mapping { pid, range } => write!(f, "mapping {range:?} of task {pid}"),
            Self::Task { pid } => write!(f, "task {pid}"),
            Self::Link { pid, name } => write!(f, "{name} of task {pid}"),
            Self::Thread { tid } => write!(f, "thread {tid}"),
        }
    }
}

/// A thing that cannot be dumped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is {what}: {reason}")]
pub struct Refusal {
    /// The thing by its name: "an io_uring", "a 32-bit task".
    pub what: String,
    /// Where it was found.
    pub place: Place,
    /// Why it cannot be dumped.
    pub reason: String,
    /// What the user can do about it.
    pub remedy: String,
}
