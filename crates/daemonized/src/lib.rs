//! A task whose parasite serves commands from a socket.
//!
//! While the daemon serves, no thread of the task can be entered: the type has
//! no such method. Dropping a [`Daemonized`] stops the daemon, cures the task
//! and lets it go.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;

use commensal_abi::{PosixTimer, TaskInfo, ThreadInfo};
pub use commensal_infected::{Answers, Descriptor, Questions};
use commensal_infected::{Error, Failed, Infected, Pid, Seized, Serving};

/// A task whose parasite serves commands.
#[derive(Debug)]
pub struct Daemonized(Serving);

impl Daemonized {
    /// Lets the parasite of an infected task serve commands. Whether it answers is seen at the first.
    ///
    /// # Errors
    ///
    /// Why it does not run; the task is still infected, and stopped.
    pub fn daemonize(task: Infected) -> Result<Self, Failed<Infected, Error>> {
        Serving::start(task).map(Self)
    }

    /// The held task, for reading.
    pub fn task(&self) -> &Seized {
        self.0.task()
    }

    /// The task's id.
    pub fn pid(&self) -> Pid {
        self.task().pid()
    }

    /// Asks whether the parasite is there.
    ///
    /// # Errors
    ///
    /// [`Error::HungUp`], [`Error::Silent`], [`Error::Protocol`].
    pub fn ping(&mut self) -> Result<(), Error> {
        self.0.ping()
    }

    /// What only the task can say of itself.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with the first call that failed in the target;
    /// otherwise as [`Daemonized::ping`].
    pub fn task_info(&mut self) -> Result<Box<TaskInfo>, Error> {
        self.0.task_info()
    }

    /// What only the thread can say of itself that the daemon runs in.
    ///
    /// # Errors
    ///
    /// As [`Daemonized::task_info`].
    pub fn thread_info(&mut self) -> Result<ThreadInfo, Error> {
        self.0.thread_info()
    }

    /// The state of the POSIX timers with these ids, in their order.
    ///
    /// # Errors
    ///
    /// As [`Daemonized::task_info`].
    pub fn posix_timers(&mut self, ids: &[i32]) -> Result<Vec<PosixTimer>, Error> {
        self.0.posix_timers(ids)
    }

    /// The descriptors with numbers below `limit` that are open in the task, in order. Those that
    /// serve the parasite are not among them.
    ///
    /// # Errors
    ///
    /// As [`Daemonized::task_info`].
    pub fn descriptors(&mut self, limit: u32) -> Result<Vec<Descriptor>, Error> {
        self.0.descriptors(limit)
    }

    /// All of the above in one question, which holds the task up less than one after the other.
    ///
    /// # Errors
    ///
    /// As [`Daemonized::task_info`]; that the task may not tell of its descriptors is in the
    /// answer.
    pub fn survey(&mut self, questions: Questions<'_>) -> Result<Answers, Error> {
        self.0.survey(questions)
    }

    /// A duplicate of descriptor `fd` of the task (pidfd_getfd(2)): it shares
    /// the open file description, so its offset must not be moved.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`]: EBADF where the task has no such descriptor.
    pub fn fd(&self, fd: i32) -> Result<OwnedFd, Error> {
        self.0.fd(fd)
    }

    /// Stops the daemon.
    ///
    /// # Errors
    ///
    /// Why it did not stop; or that the task is gone.
    pub fn stop(self) -> Result<Infected, Failed<Self, Error>> {
        self.0.stop().map_err(|failed| Failed {
            error: failed.error,
            state: failed.state.map(Self),
        })
    }
}
