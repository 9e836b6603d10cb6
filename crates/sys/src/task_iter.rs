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

mod btf;
mod call;
mod program;

use core::marker::PhantomData;
use std::os::fd::OwnedFd;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::{Errno, Error, Pid, Result};
use btf::Btf;

/// The inode of the first pid namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// What the kernel has written down of one thread.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct ThreadRecord {
    /// The alternate signal stack's lowest address (`sas_ss_sp`).
    pub altstack_sp: u64,
    /// Its size in bytes (`sas_ss_size`); 0 where there is none.
    pub altstack_size: u64,
    /// What set_tid_address(2) or clone(2) set (`clear_child_tid`).
    pub tid_address: u64,
    /// Stands for its control groups (`cgroups`): threads with the same number
    /// are in the same groups of all hierarchies (`struct css_set`).
    pub groups: u64,
    /// Where its list of children (`children`) leads to, which is the list itself where it has
    /// none: of the thread, not of its process.
    pub first_child: u64,
    /// Where that list is.
    pub children: u64,
    /// Stands for its credentials (`cred`): threads with the same number have the same users, groups
    /// and capabilities.
    pub credentials: u64,
    /// Its `PFA_*` flags (`atomic_flags`), of which one is no_new_privs.
    pub flags: u64,
    /// The signals that are pending for it alone (`pending.signal`), bit n for signal n + 1.
    pub pending: u64,
    /// Counts how often the mappings of its task were locked to be changed (`mm->mm_lock_seq`, since
    /// Linux 6.4): as long as it is the same, no mapping came, went, or got other flags. 0 where the
    /// kernel does not count; otherwise above 32 bits of the count.
    pub mapping_changes: u64,
    /// Its entries of the GDT (`thread.tls_array`): zeros where it set none.
    pub areas: [u64; 3],
    /// Its name (`comm`), filled up with zeros.
    pub comm: [u8; 16],
    /// The thread's id (`pid`).
    pub tid: i32,
    /// `SS_AUTODISARM` or 0 (`sas_ss_flags`).
    pub altstack_flags: u32,
    /// The signal that it gets when its parent dies (`pdeath_signal`).
    pub pdeath_sig: i32,
    /// Of its credentials (`cred->securebits`).
    pub securebits: u32,
    /// Its seccomp mode (`seccomp.mode`).
    pub seccomp: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

impl ThreadRecord {
    /// Whether the thread has children: `/proc/PID/task/TID/children` lists them.
    pub fn has_children(&self) -> bool {
        self.first_child != self.children
    }
}

/// What the kernel has written down of one descriptor.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct FileRecord {
    /// Stands for its open file description: descriptors with the same number
    /// are duplicates of each other (`struct file`).
    pub description: u64,
    /// The descriptor's number.
    pub fd: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
    /// 0 where nobody was ever told of I/O on it, nor a signal for that chosen (`f_owner`); anything
    /// else before Linux 6.12, where the kernel has no such mark.
    pub owner: u64,
}

/// What the kernel has written down of all threads of a task together.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct Shared {
    /// The end of the heap (`mm->brk`).
    pub brk: u64,
    /// `MMF_*` (`mm->flags`): the lowest two bits are PR_GET_DUMPABLE's.
    pub mm_flags: u64,
    /// The period of `ITIMER_REAL`, in nanoseconds (`signal->it_real_incr`).
    pub real_interval: u64,
    /// End and period of `ITIMER_PROF` and `ITIMER_VIRTUAL`, in nanoseconds of the task's own time
    /// (`signal->it`); zeros where they are not set.
    pub cpu_timers: [u64; 4],
    /// Which of the first 256 descriptors are open (`files->fdt->open_fds`); bits from `max_fds` on
    /// mean nothing.
    pub open: [u64; 4],
    /// Which of them execve(2) closes (`files->fdt->close_on_exec`).
    pub close_on_exec: [u64; 4],
    /// How many descriptors the table has room for (`files->fdt->max_fds`).
    pub max_fds: u32,
    /// 0 where `ITIMER_REAL` is not set (`signal->real_timer.state`).
    pub real_timer: u32,
    /// 0 where no membarrier(2) is registered (`mm->membarrier_state`).
    pub membarrier: u32,
    /// Whether it is a subreaper (`signal->is_child_subreaper`).
    pub child_subreaper: u32,
}

/// What the kernel has written down of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct TaskRecord {
    /// Of its leader.
    pub leader: ThreadRecord,
    /// Of all threads together.
    pub shared: Shared,
    /// The actions of signals as rt_sigaction(2) gives them (`sighand->action`): handler, flags,
    /// restorer, mask.
    pub actions: [[u64; 4]; 64],
    /// The resource limits (`signal->rlim`): soft, hard.
    pub limits: [[u64; 2]; 16],
}

impl Default for TaskRecord {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

/// What a record is of.
pub trait Record: FromBytes + Default + sealed::Visited {}

impl Record for ThreadRecord {}
impl Record for FileRecord {}
impl Record for TaskRecord {}

mod sealed {
    use super::btf::Btf;

    /// What the kernel visits.
    pub trait Visited {
        /// The kernel's function that a program takes part in.
        const ITERATION: &str;

        /// Whether all threads of a task are visited, or the first one's own.
        const ALL_THREADS: bool;

        /// The program that copies a record.
        fn program(btf: &Btf) -> Option<Vec<u64>>;
    }
}

impl sealed::Visited for ThreadRecord {
    const ITERATION: &str = "bpf_iter_task";
    const ALL_THREADS: bool = true;

    fn program(btf: &Btf) -> Option<Vec<u64>> {
        program::threads::program(btf)
    }
}

impl sealed::Visited for TaskRecord {
    const ITERATION: &str = "bpf_iter_task";
    const ALL_THREADS: bool = false;

    fn program(btf: &Btf) -> Option<Vec<u64>> {
        program::task::program(btf)
    }
}

impl sealed::Visited for FileRecord {
    const ITERATION: &str = "bpf_iter_task_file";
    const ALL_THREADS: bool = false;

    fn program(btf: &Btf) -> Option<Vec<u64>> {
        Some(program::files::program(btf))
    }
}

/// A program in the kernel that copies records.
#[derive(Debug)]
pub struct Reader<R>(OwnedFd, PhantomData<R>);

/// Where the fields of the kernel's structures are.
#[derive(Debug)]
pub struct KernelTypes(Btf);

impl KernelTypes {
    /// Reads the kernel's type information, some megabytes.
    ///
    /// # Errors
    ///
    /// EPERM in a pid namespace that is not the first, where the kernel's ids are others than ours;
    /// ENOENT where the kernel has no type information.
    pub fn read() -> Result<Self> {
        let failed = |call| move |errno| Error::new(call, 0, errno);
        let own = rustix::fs::stat("/proc/self/ns/pid").map_err(failed("stat"))?;
        if own.st_ino != FIRST_PID_NAMESPACE {
            return Err(Error::new("bpf", 0, Errno::PERM));
        }
        let bytes = std::fs::read("/sys/kernel/btf/vmlinux");
        let bytes = bytes.map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::NOENT);
            Error::new("read of BTF", 0, errno)
        })?;
        let btf = Btf::parse(bytes).ok_or_else(missing)?;
        Ok(Self(btf))
    }
}

fn missing() -> Error {
    Error::new("search in BTF", 0, Errno::NOENT)
}

impl<R: Record> Reader<R> {
    /// Loads the program.
    ///
    /// # Errors
    ///
    /// EPERM without CAP_BPF and CAP_PERFMON; ENOENT where the kernel's structures are others; EINVAL
    /// where it is older than Linux 6.1.
    pub fn load(types: &KernelTypes) -> Result<Self> {
        let KernelTypes(btf) = types;
        let found = R::program(btf).zip(btf.function(R::ITERATION));
        let (instructions, function) = found.ok_or_else(missing)?;
        let program = call::load(&instructions, program::LICENSE, function);
        let program = program.map_err(|errno| Error::new("BPF_PROG_LOAD", 0, errno))?;
        Ok(Self(program, PhantomData))
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
        let link = call::link(&self.0, tid, task);
        let link = link.map_err(|errno| Error::new("BPF_LINK_CREATE", pid.get(), errno))?;
        Ok(Records {
            pid,
            link,
            of: PhantomData,
        })
    }
}

/// The records of one task, to be read at any time.
#[derive(Debug)]
pub struct Records<R> {
    pid: Pid,
    link: OwnedFd,
    of: PhantomData<R>,
}

impl<R: Record> Records<R> {
    /// All records that there are.
    ///
    /// # Errors
    ///
    /// ENOMEM; there are no records of a task that is gone.
    pub fn read(&self) -> Result<Vec<R>> {
        let failed = |call| move |errno| Error::new(call, self.pid.get(), errno);
        let iterator = call::iterate(&self.link).map_err(failed("BPF_ITER_CREATE"))?;
        let mut bytes = Vec::new();
        let mut buffer = vec![0; READ];
        loop {
            match rustix::io::read(&iterator, &mut buffer) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(failed("read of a BPF iterator")(errno)),
            }
        }
        Ok(bytes
            .chunks_exact(size_of::<R>())
            .map(|record| R::read_from_bytes(record).expect("its own size"))
            .collect())
    }
}

/// How many bytes are read at a time: what the kernel's own buffer holds
/// (bpf_seq_read, kernel/bpf/bpf_iter.c).
const READ: usize = 8 * 4096;

#[cfg(test)]
mod tests;
