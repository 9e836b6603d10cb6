//! What the kernel knows of every thread, or every descriptor, of a task, in
//! one read: BPF iterators (Documentation/bpf/bpf_iterators.rst; per task since
//! Linux 6.1).
//!
//! Some of a thread's state only the thread itself can ask for, by a system
//! call that has to be made in it; and which of a thousand descriptors are the
//! same description takes as many thousand comparisons. Of a large task, the
//! kernel's own records are read instead: a small program visits each
//! `task_struct`, or `file`, and copies a few of its fields. Where they are,
//! the kernel says in its type information (`/sys/kernel/btf/vmlinux`).

mod answers;
mod btf;
mod call;
mod plan;
mod program;
mod record;
mod types;

use core::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::{Errno, Error, Pid, Result};
use call::Room;
use plan::{Layout, Plan};
use program::Context;

pub use record::{FileRecord, Objects, Plain, Shared, TaskRecord, ThreadRecord};
pub use types::KernelTypes;

/// What a record is of.
pub trait Record: FromZeros + IntoBytes + FromBytes + sealed::Visited {}

impl Record for ThreadRecord {}
impl Record for FileRecord {}
impl Record for TaskRecord {}

mod sealed {
    use super::KernelTypes;
    use super::plan::Plan;
    use super::program::Context;

    /// What the kernel visits.
    pub trait Visited {
        /// The kernel's function that a program takes part in.
        const ITERATION: &str;

        /// What that is called with.
        const CONTEXT: Context;

        /// Whether all threads of a task are visited, or the first one's own.
        const ALL_THREADS: bool;

        /// Whether there can be many records of a task, which the program writes out. A single one stays in
        /// its room: a program that does not write takes half the time to load, since the kernel looks
        /// through the names of all its types for what may write.
        const MANY: bool;

        /// What a record is made of.
        fn plan(types: &KernelTypes) -> Option<Plan>;
    }
}

impl sealed::Visited for ThreadRecord {
    const ITERATION: &str = "bpf_iter_task";
    const CONTEXT: Context = program::TASKS;
    const ALL_THREADS: bool = true;
    const MANY: bool = true;

    fn plan(types: &KernelTypes) -> Option<Plan> {
        plan::threads::plan(types)
    }
}

impl sealed::Visited for TaskRecord {
    const ITERATION: &str = "bpf_iter_task";
    const CONTEXT: Context = program::TASKS;
    const ALL_THREADS: bool = false;
    const MANY: bool = false;

    fn plan(types: &KernelTypes) -> Option<Plan> {
        plan::task::plan(types)
    }
}

impl sealed::Visited for FileRecord {
    const ITERATION: &str = "bpf_iter_task_file";
    const CONTEXT: Context = program::FILES;
    const ALL_THREADS: bool = false;
    const MANY: bool = true;

    fn plan(types: &KernelTypes) -> Option<Plan> {
        plan::files::plan(types)
    }
}

/// A program in the kernel that copies records.
#[derive(Debug)]
pub struct Reader<R> {
    program: OwnedFd,
    layout: Arc<Layout>,
    /// Held while it runs: there is room for one record.
    room: Arc<Mutex<Room>>,
    of: PhantomData<R>,
}

fn missing() -> Error {
    Error::new("search in BTF", 0, Errno::NOENT)
}

impl<R: Record> Reader<R> {
    /// Makes the program and loads it into the kernel, which takes some tenths of a millisecond.
    ///
    /// # Errors
    ///
    /// ENOENT where the kernel's structures are others; EPERM without CAP_BPF and CAP_PERFMON; EINVAL where
    /// the kernel is older than Linux 6.1.
    pub fn load(types: &KernelTypes) -> Result<Self> {
        let failed = |call| move |errno| Error::new(call, 0, errno);
        let found = R::plan(types).zip(types.function(R::ITERATION));
        let (plan, function) = found.ok_or_else(missing)?;
        let layout = plan.lay_out();
        let room = call::room(layout.len).map_err(failed("BPF_MAP_CREATE"))?;
        let instructions = program::instructions(&R::CONTEXT, &layout, room.map(), R::MANY);
        let program = call::load(&instructions, program::LICENSE, function);
        Ok(Self {
            program: program.map_err(failed("BPF_PROG_LOAD"))?,
            layout: Arc::new(layout),
            room: Arc::new(Mutex::new(room)),
            of: PhantomData,
        })
    }

    /// Directs the program at one task.
    ///
    /// # Errors
    ///
    /// ESRCH when the task is gone; EINVAL before Linux 6.1.
    pub fn of(&self, pid: Pid) -> Result<Records<R>> {
        let id = pid.get() as u32;
        match R::ALL_THREADS {
            true => self.link(pid, (0, id)),
            false => self.link(pid, (id, 0)),
        }
    }

    /// Directs the program at the leader of a task alone.
    ///
    /// # Errors
    ///
    /// As [`Reader::of`].
    pub fn of_leader(&self, pid: Pid) -> Result<Records<R>> {
        self.link(pid, (pid.get() as u32, 0))
    }

    fn link(&self, pid: Pid, (tid, task): (u32, u32)) -> Result<Records<R>> {
        let link = call::link(&self.program, tid, task);
        let link = link.map_err(|errno| Error::new("BPF_LINK_CREATE", pid.get(), errno))?;
        Ok(Records {
            pid,
            link,
            layout: Arc::clone(&self.layout),
            room: Arc::clone(&self.room),
            of: PhantomData,
        })
    }
}

/// The records of one task, to be read at any time.
#[derive(Debug)]
pub struct Records<R> {
    pid: Pid,
    link: OwnedFd,
    layout: Arc<Layout>,
    room: Arc<Mutex<Room>>,
    of: PhantomData<R>,
}

impl<R: Record> Records<R> {
    /// All records that there are.
    ///
    /// # Errors
    ///
    /// ENOMEM; there are no records of a task that is gone.
    pub fn read(&self) -> Result<Vec<R>> {
        // What a panic left of a record is written over by the next.
        let room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let rooms = match R::MANY {
            true => self.run()?,
            false => self.run_once(&room)?,
        };
        let record = |room| {
            let mut record = R::new_zeroed();
            self.layout.fill(room, record.as_mut_bytes());
            record
        };
        Ok(rooms.chunks_exact(self.layout.len).map(record).collect())
    }

    /// What the program leaves in its room; nothing where it visits nothing.
    fn run_once(&self, room: &Room) -> Result<Vec<u8>> {
        let failed = |errno| Error::new("BPF_MAP_*_ELEM", self.pid.get(), errno);
        room.clear().map_err(failed)?;
        self.run()?;
        let mut filled = room.read().map_err(failed)?;
        if self.layout.is_empty(&filled) {
            filled.clear();
        }
        Ok(filled)
    }

    /// What the program writes.
    fn run(&self) -> Result<Vec<u8>> {
        let failed = |call| move |errno| Error::new(call, self.pid.get(), errno);
        let iterator = call::iterate(&self.link).map_err(failed("BPF_ITER_CREATE"))?;
        let mut bytes = Vec::new();
        let mut buffer = vec![0; if R::MANY { READ } else { 1 }];
        loop {
            match rustix::io::read(&iterator, &mut buffer) {
                Ok(0) => return Ok(bytes),
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(failed("read of a BPF iterator")(errno)),
            }
        }
    }
}

/// How many bytes are read at a time: what the kernel's own buffer holds
/// (bpf_seq_read, kernel/bpf/bpf_iter.c).
const READ: usize = 8 * 4096;

#[cfg(test)]
mod tests;
