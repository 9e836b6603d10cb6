//! Why a task could not be infected, or the parasite not be asked.

use commensal_seized::Pid;
use commensal_sys::Errno;

/// Why a task could not be infected, or the parasite not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The task could not be entered.
    #[error(transparent)]
    Seized(#[from] commensal_seized::Error),
    /// A system call of ours failed.
    #[error(transparent)]
    Sys(#[from] commensal_sys::Error),
    /// The address space of the target has no room for the parasite.
    #[error("task {0} has no room in its address space for the parasite")]
    NoRoom(Pid),
    /// The parasite could not make its pages writable (mprotect(2)).
    #[error(
        "the parasite in task {0} got no memory to answer in: the task may have no further \
         mapping (vm.max_map_count)"
    )]
    NoMemory(Pid),
    /// The parasite did not answer in time.
    #[error("the parasite in task {pid} did not answer within {seconds} s")]
    Silent {
        /// The task.
        pid: Pid,
        /// How long we waited.
        seconds: u64,
    },
    /// The parasite's end of the socket is closed: the task was killed, or
    /// closed it.
    #[error("the parasite in task {0} hung up")]
    HungUp(Pid),
    /// The answer is not one to the question: something in the target writes
    /// to our pages or our socket.
    #[error("the parasite in task {pid} gave a wrong answer: {what}")]
    Protocol {
        /// The task.
        pid: Pid,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A system call that the parasite made failed.
    #[error("the parasite in task {pid} got {errno} for {command}")]
    Command {
        /// The task.
        pid: Pid,
        /// The command it was made for.
        command: &'static str,
        /// The call's error.
        errno: Errno,
    },
}

impl Error {
    /// Whether the task ended while we were at it.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Seized(error) => error.is_gone(),
            Self::Sys(error) => error.is_gone(),
            _ => false,
        }
    }
}
