//! What can be asked of the parasite.

use std::os::fd::OwnedFd;

use commensal_abi::{
    Command, DESCRIPTORS, MAX_POSIX_TIMERS, PROTOCOL_VERSION, PosixTimer, TaskInfo, ThreadInfo,
};

use crate::infect::Parasite;
use crate::{Error, Infected};

impl Infected {
    /// Asks the parasite which protocol it speaks, in trap mode.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] where it is not ours.
    pub fn ping(&mut self) -> Result<(), Error> {
        self.parasite_mut().trap(Parasite::ping)
    }

    /// What only the task can say of itself, asked in trap mode.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with the first call that failed in the target.
    pub fn task_info(&mut self) -> Result<Box<TaskInfo>, Error> {
        self.parasite_mut().trap(Parasite::task_info)
    }
}

/// A descriptor that is open in a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub number: i32,
    /// Whether execve(2) closes it.
    pub cloexec: bool,
}

/// Commands to a parasite that runs.
impl Parasite {
    /// A duplicate of descriptor `fd` of the task.
    pub(crate) fn fd(&self, fd: i32) -> Result<OwnedFd, Error> {
        Ok(self.pidfd.duplicate(fd)?)
    }

    /// Lets the parasite run for one command.
    pub(crate) fn trap<T>(
        &mut self,
        command: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.run()?;
        let result = command(self);
        self.halt()?;
        result
    }

    /// Lets the parasite serve requests.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        Ok(self.injection.run()?)
    }

    /// Stops the parasite between two instructions of its own.
    pub(crate) fn halt(&mut self) -> Result<(), Error> {
        Ok(self.injection.halt()?)
    }

    /// Asks which protocol the parasite speaks.
    pub(crate) fn ping(&mut self) -> Result<(), Error> {
        match self.ask(Command::Ping)? {
            PROTOCOL_VERSION => Ok(()),
            _ => Err(Error::Protocol {
                pid: self.task.pid(),
                what: "it is of another version",
            }),
        }
    }

    /// Asks what only the task can say of itself.
    pub(crate) fn task_info(&mut self) -> Result<Box<TaskInfo>, Error> {
        self.ask(Command::Task)?;
        self.take_task()
    }

    /// Asks what only the thread can say of itself that the parasite is in.
    pub(crate) fn own_thread_info(&mut self) -> Result<ThreadInfo, Error> {
        self.ask(Command::Thread)?;
        self.take_thread()
    }

    /// Asks for the state of the POSIX timers with these ids.
    pub(crate) fn posix_timers(&mut self, ids: &[i32]) -> Result<Vec<PosixTimer>, Error> {
        let mut timers = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_POSIX_TIMERS) {
            self.put_timers(ids)?;
            self.ask(Command::PosixTimers)?;
            timers.extend(self.take_timers(ids)?);
        }
        Ok(timers)
    }

    /// Asks which descriptors are open of those from `first` up to `limit`.
    pub(crate) fn descriptors(&mut self, first: u32, limit: u32) -> Result<Vec<Descriptor>, Error> {
        let mut found = Vec::new();
        for first in (first..limit).step_by(DESCRIPTORS) {
            let count = (limit - first).min(DESCRIPTORS as u32);
            self.put_range(first, count)?;
            self.ask(Command::Descriptors)?;
            found.extend(self.take_open(first, count)?);
        }
        Ok(found)
    }

    /// One request and its reply; gives the command's value.
    pub(crate) fn ask(&mut self, command: Command) -> Result<u32, Error> {
        self.channel.send(command)?;
        let injection = &mut self.injection;
        self.channel.receive(command, || Ok(injection.attend()?))
    }
}
