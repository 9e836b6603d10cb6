//! Why a task could not be seized, or a system call not be run in it.

use std::io;

use commensal_sys::{Errno, Pid, Tid};

/// Why a task could not be seized, or a system call not be run in it. The
/// target is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such task, or it ended.
    #[error("task {0} is gone")]
    Gone(Pid),
    /// Another process traces the task.
    #[error("task {pid} is traced already, by process {tracer}")]
    Traced {
        /// The task.
        pid: Pid,
        /// The process that traces it.
        tracer: i32,
    },
    /// We may not trace the task (ptrace(2), "Ptrace access mode checking").
    #[error("no right to trace task {0}")]
    NotPermitted(Pid),
    /// A thread did not stop: it is in uninterruptible sleep.
    #[error("thread {tid} did not stop within {seconds} s: it waits in {wait_channel}")]
    Stuck {
        /// The thread.
        tid: Tid,
        /// How long we waited.
        seconds: u64,
        /// The kernel function it sleeps in (`/proc/PID/wchan`).
        wait_channel: String,
    },
    /// New threads kept appearing.
    #[error("task {0} creates threads faster than they can be stopped")]
    Restless(Pid),
    /// A seccomp filter of the thread (seccomp(2)) would end the task if we
    /// died while the thread is entered.
    #[error(
        "thread {tid} cannot be entered without risk: its seccomp filter answers {call} with \
         {answer}, which would harm the task if the dumper died (the task can be dumped if it \
         is killed afterwards)"
    )]
    Seccomp {
        /// The thread.
        tid: Tid,
        /// The system call that the way home needs.
        call: &'static str,
        /// What the filter does.
        answer: &'static str,
    },
    /// A thread does something that injected calls cannot live with.
    #[error("thread {tid} cannot be entered: {reason}")]
    NotEnterable {
        /// The thread.
        tid: Tid,
        /// Why not.
        reason: &'static str,
    },
    /// The target has no code that makes a system call and returns, or none
    /// that could call rt_sigreturn(2).
    #[error("task {0} maps no `syscall; ret` and signal restorer to make calls from")]
    NoGadget(Pid),
    /// The target has no `[stack]` mapping, or no room there that surely is
    /// unused.
    #[error("task {0} has no room in its [stack] mapping that surely is unused")]
    NoScratch(Pid),
    /// A thread stopped where it should not.
    #[error("thread {tid} stopped unexpectedly during {during}")]
    UnexpectedStop {
        /// The thread.
        tid: Tid,
        /// What was being done.
        during: &'static str,
    },
    /// A system call that we made in the target failed.
    #[error("{call} inside task {pid}: {errno}")]
    Remote {
        /// The call.
        call: &'static str,
        /// The task.
        pid: Pid,
        /// Its error.
        errno: Errno,
    },
    /// A system call of ours failed.
    #[error(transparent)]
    Sys(#[from] commensal_sys::Error),
    /// A file of /proc could not be read.
    #[error("reading {path}: {source}")]
    Proc {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    /// Whether the task ended while we were at it.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Gone(_) => true,
            Self::Sys(error) => error.is_gone(),
            Self::Proc { source, .. } => {
                source.kind() == io::ErrorKind::NotFound
                    || source.raw_os_error() == Some(Errno::SRCH.raw_os_error())
            }
            _ => false,
        }
    }
}
