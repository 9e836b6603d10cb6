//! What can be asked of the parasite.

use std::os::fd::OwnedFd;

use commensal_abi::{
    AREA_OFFSET, Command, DESCRIPTORS, Descriptors, MAX_POSIX_TIMERS, PROTOCOL_VERSION, PosixTimer,
    PosixTimers, TaskInfo, ThreadInfo,
};
use commensal_blob::TEXT_LEN;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::infect::Parasite;
use crate::{Error, Infected};

/// Where arguments and replies are in the mapping, in bytes. The ABI asserts
/// that each fits.
pub(crate) const AREA: usize = TEXT_LEN + AREA_OFFSET;

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

/// Commands to a parasite that runs.
/// A descriptor that is open in a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub number: i32,
    /// Whether execve(2) closes it.
    pub cloexec: bool,
}

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
        let mut info = Box::<TaskInfo>::default();
        self.mapping.read(AREA, info.as_mut_bytes())?;
        Ok(info)
    }

    /// Asks what only the thread can say of itself that the parasite is in.
    pub(crate) fn own_thread_info(&mut self) -> Result<ThreadInfo, Error> {
        self.ask(Command::Thread)?;
        let mut info = ThreadInfo::default();
        self.mapping.read(AREA, info.as_mut_bytes())?;
        Ok(info)
    }

    /// Asks for the state of the POSIX timers with these ids.
    pub(crate) fn posix_timers(&mut self, ids: &[i32]) -> Result<Vec<PosixTimer>, Error> {
        let mut timers = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_POSIX_TIMERS) {
            timers.extend(self.posix_timers_chunk(ids)?);
        }
        Ok(timers)
    }

    fn posix_timers_chunk(&mut self, ids: &[i32]) -> Result<Vec<PosixTimer>, Error> {
        let mut question = vec![0u8; size_of::<PosixTimers>()];
        let timers = PosixTimers::mut_from_bytes(&mut question).expect("its own size");
        timers.count = ids.len() as u32;
        for (timer, &id) in timers.timers.iter_mut().zip(ids) {
            timer.id = id;
        }
        self.mapping.write(AREA, &question)?;
        self.ask(Command::PosixTimers)?;
        let mut answers = vec![PosixTimer::new_zeroed(); ids.len()];
        let offset = AREA + core::mem::offset_of!(PosixTimers, timers);
        let bytes = answers.as_mut_slice().as_mut_bytes();
        self.mapping.read(offset, bytes)?;
        match answers.iter().zip(ids).all(|(answer, &id)| answer.id == id) {
            true => Ok(answers),
            false => Err(Error::Protocol {
                pid: self.task.pid(),
                what: "it names other timers",
            }),
        }
    }

    /// Asks which descriptors below `limit` are open.
    pub(crate) fn descriptors(&mut self, limit: u32) -> Result<Vec<Descriptor>, Error> {
        let mut found = Vec::new();
        for first in (0..limit).step_by(DESCRIPTORS) {
            let mut table = Box::<Descriptors>::default();
            table.first = first;
            table.count = (limit - first).min(DESCRIPTORS as u32);
            self.mapping.write(AREA, table.as_bytes())?;
            self.ask(Command::Descriptors)?;
            self.mapping.read(AREA, table.as_mut_bytes())?;
            let is_set = |map: &[u64], n: u32| map[n as usize / 64] >> (n % 64) & 1 != 0;
            let count = (limit - first).min(DESCRIPTORS as u32);
            let open = (0..count).filter(|&n| is_set(&table.open, n));
            found.extend(open.map(|n| Descriptor {
                number: (first + n) as i32,
                cloexec: is_set(&table.cloexec, n),
            }));
        }
        Ok(found)
    }

    /// One request and its reply; gives the command's value.
    fn ask(&mut self, command: Command) -> Result<u32, Error> {
        self.channel.send(command)?;
        let injection = &mut self.injection;
        self.channel.receive(command, || Ok(injection.attend()?))
    }
}
