//! Arguments and replies in the exchange area. Whatever comes out of it could
//! have been written by the target.

use core::mem::offset_of;

use commensal_abi::{
    AREA_OFFSET, Area, Descriptors, PosixTimer, PosixTimers, Statuses, TaskInfo, ThreadInfo,
};
use commensal_blob::TEXT_LEN;
use zerocopy::{FromZeros, IntoBytes};

use crate::infect::Parasite;
use crate::{Descriptor, Error};

/// Where the area is in the mapping, in bytes.
const AREA: usize = TEXT_LEN + AREA_OFFSET;
const STATUSES: usize = AREA + offset_of!(Area, statuses);
const TASK: usize = AREA + offset_of!(Area, task);
const THREAD: usize = AREA + offset_of!(Area, thread);
const DESCRIPTORS: usize = AREA + offset_of!(Area, descriptors);
pub(crate) const POSIX_TIMERS: usize = AREA + offset_of!(Area, posix_timers);

impl Parasite {
    pub(crate) fn take_statuses(&self) -> Result<Statuses, Error> {
        let mut statuses = Statuses::default();
        self.mapping.read(STATUSES, statuses.as_mut_bytes())?;
        Ok(statuses)
    }

    pub(crate) fn take_task(&self) -> Result<Box<TaskInfo>, Error> {
        let mut info = Box::<TaskInfo>::default();
        self.mapping.read(TASK, info.as_mut_bytes())?;
        Ok(info)
    }

    pub(crate) fn take_thread(&self) -> Result<ThreadInfo, Error> {
        let mut info = ThreadInfo::default();
        self.mapping.read(THREAD, info.as_mut_bytes())?;
        let tid = self.injection.tid().get();
        Ok(ThreadInfo { tid, ..info })
    }

    /// Names the timers of the next question, at most as many as there is room for.
    pub(crate) fn put_timers(&mut self, ids: &[i32]) -> Result<(), Error> {
        self.make_writable()?;
        let mut question = vec![PosixTimer::new_zeroed(); ids.len()];
        for (timer, &id) in question.iter_mut().zip(ids) {
            timer.id = id;
        }
        let count = POSIX_TIMERS + offset_of!(PosixTimers, count);
        self.mapping.write(count, (ids.len() as u32).as_bytes())?;
        let timers = POSIX_TIMERS + offset_of!(PosixTimers, timers);
        self.mapping.write(timers, question.as_bytes())
    }

    /// The answers for the timers that were named.
    pub(crate) fn take_timers(&self, ids: &[i32]) -> Result<Vec<PosixTimer>, Error> {
        let mut answers = vec![PosixTimer::new_zeroed(); ids.len()];
        let timers = POSIX_TIMERS + offset_of!(PosixTimers, timers);
        self.mapping.read(timers, answers.as_mut_bytes())?;
        match answers.iter().zip(ids).all(|(answer, &id)| answer.id == id) {
            true => Ok(answers),
            false => Err(Error::Protocol {
                pid: self.task.pid(),
                what: "it names other timers",
            }),
        }
    }

    /// Names the range of descriptors of the next question, at most as long as a bitmap.
    pub(crate) fn put_range(&mut self, first: u32, count: u32) -> Result<(), Error> {
        self.make_writable()?;
        let mut table = Box::<Descriptors>::default();
        (table.first, table.count) = (first, count);
        self.mapping.write(DESCRIPTORS, table.as_bytes())
    }

    /// Those of the range that are open.
    pub(crate) fn take_open(&self, first: u32, count: u32) -> Result<Vec<Descriptor>, Error> {
        let mut table = Box::<Descriptors>::default();
        self.mapping.read(DESCRIPTORS, table.as_mut_bytes())?;
        let is_set = |map: &[u64], n: u32| map[n as usize / 64] >> (n % 64) & 1 != 0;
        let open = (0..count).filter(|&n| is_set(&table.open, n));
        let descriptor = |n| Descriptor {
            number: (first + n) as i32,
            cloexec: is_set(&table.cloexec, n),
        };
        Ok(open.map(descriptor).collect())
    }

    /// Pages that we have no view of are the target's, which may be written once the parasite has
    /// made them so: before its first answer.
    fn make_writable(&mut self) -> Result<(), Error> {
        match self.mapping.is_shared() || self.channel.answered() {
            true => Ok(()),
            false => self.ping(),
        }
    }
}
