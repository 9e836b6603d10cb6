//! Why a dump failed.

use std::io;

use commensal_images::{ReadError, WriteError};
use commensal_seized::Failed;
use commensal_sys::{Errno, Pid, RemoteRange};

use crate::{HookError, Place, Refusal};

/// The result of a step of the dump.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a dump failed. The target is as it was, whatever this says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Things in the tree that cannot be dumped: all that were found, never none.
    #[error("{}", list(.0))]
    Refused(Vec<Refusal>),
    /// A system call for the target failed.
    #[error(transparent)]
    Sys(#[from] commensal_sys::Error),
    /// A task could not be stopped, or not be read while it was held.
    #[error(transparent)]
    Seized(#[from] commensal_seized::Error),
    /// A system call about one thing of a task failed.
    #[error("{call} for {place}: {errno}")]
    Call {
        /// The call, as its man page names it.
        call: &'static str,
        /// What it was made for.
        place: Place,
        /// The kernel's reason.
        errno: Errno,
    },
    /// A file of /proc could not be read.
    #[error("reading {path}: {source}")]
    Proc {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// A file of /proc does not say what proc(5) says it does.
    #[error("{path} has an unexpected form: {line:?}")]
    Parse {
        /// The file.
        path: String,
        /// The text that could not be read.
        line: String,
    },
    /// A task's memory could not be read.
    #[error("reading {range:?} of task {pid}: {source}")]
    Memory {
        /// The task.
        pid: Pid,
        /// The addresses.
        range: RemoteRange,
        /// The reason.
        source: io::Error,
    },
    /// A task could not be entered, asked or left.
    #[error(transparent)]
    Infected(commensal_infected::Error),
    /// An image could not be written.
    #[error(transparent)]
    Image(#[from] WriteError),
    /// The images that a dump builds on could not be read.
    #[error("the earlier images: {0}")]
    Earlier(#[from] ReadError),
    /// The page server could not be reached, or did not take all pages.
    #[error("the page server: {source}")]
    PageServer {
        /// The reason.
        source: io::Error,
    },
    /// Pages that stayed in the tree could not be given to who fetches them.
    #[error(
        "the pages left in the tree could not be given to the client of the lazy pages: {source}"
    )]
    LazyPages {
        /// The reason.
        source: io::Error,
    },
    /// The kernel did not answer a netlink request, or not as expected.
    #[error("{request} over netlink: {source}")]
    Netlink {
        /// What was asked.
        request: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// The packets of connections could not be held back, or not let through again.
    #[error("locking the network: {source}")]
    NetworkLock {
        /// The reason.
        source: io::Error,
    },
    /// The task ended, or ran another program, while it was being dumped.
    #[error("task {pid} is gone")]
    Gone {
        /// The task.
        pid: Pid,
    },
    /// A program that saves a part of a network namespace failed.
    #[error("{program}: {source}")]
    NetworkProgram {
        /// The program and its arguments.
        program: String,
        /// What it says.
        source: io::Error,
    },
    /// The caller gave the dump up.
    #[error("the dump was given up on request")]
    Cancelled,
    /// The caller's hook failed at a stage of the dump.
    #[error("{stage}: {source}")]
    Hook {
        /// The stage, by CRIU's name for its action scripts.
        stage: &'static str,
        /// What the hook says.
        source: HookError,
    },
}

impl From<Vec<Refusal>> for Error {
    fn from(refusals: Vec<Refusal>) -> Self {
        Self::Refused(refusals)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

/// The state that the failed step gives back is dropped: the task is cured, and runs on.
impl<S> From<Failed<S, commensal_infected::Error>> for Error {
    fn from(failed: Failed<S, commensal_infected::Error>) -> Self {
        failed.error.into()
    }
}

impl From<commensal_infected::Error> for Error {
    fn from(error: commensal_infected::Error) -> Self {
        Self::Infected(error)
    }
}

fn list(refusals: &[Refusal]) -> String {
    let texts: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
