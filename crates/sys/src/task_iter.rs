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
mod program;

use core::marker::PhantomData;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use linux_raw_sys::general::__NR_bpf;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Errno, Error, Pid, Result, raw};
use btf::Btf;

// include/uapi/linux/bpf.h
const BPF_PROG_LOAD: u64 = 5;
const BPF_LINK_CREATE: u64 = 28;
const BPF_ITER_CREATE: u64 = 33;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_ITER: u32 = 28;

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
    /// The thread's id (`pid`).
    pub tid: i32,
    /// `SS_AUTODISARM` or 0 (`sas_ss_flags`).
    pub altstack_flags: u32,
    /// The signal that it gets when its parent dies (`pdeath_signal`).
    pub pdeath_sig: i32,
    /// Of its credentials (`cred->securebits`).
    pub securebits: u32,
}

/// `union bpf_attr` of `BPF_PROG_LOAD`, as far as it is needed.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_prog_fd: u32,
    _pad: u32,
}

/// `union bpf_attr` of `BPF_LINK_CREATE` for an iterator.
#[repr(C)]
struct LinkAttr {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    iter_info: u64,
    iter_info_len: u32,
    _pad: u32,
}

/// `union bpf_iter_link_info` for tasks.
#[repr(C)]
struct TaskInfo {
    tid: u32,
    pid: u32,
    pid_fd: u32,
    _pad: u32,
}

/// `union bpf_attr` of `BPF_ITER_CREATE`.
#[repr(C)]
struct IterAttr {
    link_fd: u32,
    flags: u32,
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
}

/// What a record is of.
pub trait Record: FromBytes + Default + sealed::Visited {}

impl Record for ThreadRecord {}
impl Record for FileRecord {}

mod sealed {
    use super::btf::Btf;

    /// What the kernel visits.
    pub trait Visited {
        /// The kernel's function that a program takes part in.
        const ITERATION: &str;

        /// Whether all threads of a task are visited, or the first one's own.
        const ALL_THREADS: bool;

        /// The program that copies a record.
        fn program(btf: &Btf<'_>) -> Option<Vec<u64>>;
    }
}

impl sealed::Visited for ThreadRecord {
    const ITERATION: &str = "bpf_iter_task";
    const ALL_THREADS: bool = true;

    fn program(btf: &Btf<'_>) -> Option<Vec<u64>> {
        Some(program::threads(&program::Places::find(btf)?))
    }
}

impl sealed::Visited for FileRecord {
    const ITERATION: &str = "bpf_iter_task_file";
    const ALL_THREADS: bool = false;

    fn program(_: &Btf<'_>) -> Option<Vec<u64>> {
        Some(program::files())
    }
}

/// A program in the kernel that copies records.
#[derive(Debug)]
pub struct Reader<R>(OwnedFd, PhantomData<R>);

impl<R: Record> Reader<R> {
    /// Loads the program.
    ///
    /// # Errors
    ///
    /// EPERM without CAP_BPF and CAP_PERFMON, or in a pid namespace that is
    /// not the first, where the kernel's ids are others; ENOENT where the
    /// kernel has no type information; EINVAL where it is older than Linux 6.1.
    pub fn load() -> Result<Self> {
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
        let missing = || Error::new("search in BTF", 0, Errno::NOENT);
        let found = Btf::parse(&bytes)
            .and_then(|btf| Some((R::program(&btf)?, btf.function(R::ITERATION)?)));
        let (instructions, function) = found.ok_or_else(missing)?;
        Ok(Self(load(&instructions, function)?, PhantomData))
    }

    /// Directs the program at one task.
    ///
    /// # Errors
    ///
    /// ESRCH when the task is gone; EINVAL before Linux 6.1.
    pub fn of(&self, pid: Pid) -> Result<Records<R>> {
        let id = pid.get() as u32;
        let (tid, task) = if R::ALL_THREADS { (0, id) } else { (id, 0) };
        let info = TaskInfo {
            tid,
            pid: task,
            pid_fd: 0,
            _pad: 0,
        };
        let attr = LinkAttr {
            prog_fd: self.0.as_raw_fd() as u32,
            target_fd: 0,
            attach_type: BPF_TRACE_ITER,
            flags: 0,
            iter_info: &raw const info as u64,
            iter_info_len: size_of::<TaskInfo>() as u32,
            _pad: 0,
        };
        let args = bpf_args(BPF_LINK_CREATE, &attr);
        // SAFETY: the kernel reads `attr`, of the size given, and `info`, of
        // the size that is in `attr`; both live until the call returns.
        let link = unsafe { raw::syscall(__NR_bpf, args) };
        let link = link.map_err(|errno| Error::new("BPF_LINK_CREATE", pid.get(), errno))?;
        // SAFETY: the call gave a new descriptor, which nobody else has.
        let link = unsafe { OwnedFd::from_raw_fd(link as i32) };
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
        let attr = IterAttr {
            link_fd: self.link.as_raw_fd() as u32,
            flags: 0,
        };
        let args = bpf_args(BPF_ITER_CREATE, &attr);
        // SAFETY: the kernel reads `attr`, of the size given.
        let iterator = unsafe { raw::syscall(__NR_bpf, args) };
        let iterator = iterator.map_err(failed("BPF_ITER_CREATE"))?;
        // SAFETY: the call gave a new descriptor, which nobody else has.
        let iterator = unsafe { OwnedFd::from_raw_fd(iterator as i32) };
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

/// Loads a program that visits tasks.
fn load(instructions: &[u64], function: u32) -> Result<OwnedFd> {
    let attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_TRACING,
        insn_cnt: instructions.len() as u32,
        insns: instructions.as_ptr() as u64,
        license: program::LICENSE.as_ptr() as u64,
        prog_name: *b"commensal\0\0\0\0\0\0\0",
        expected_attach_type: BPF_TRACE_ITER,
        attach_btf_id: function,
        ..LoadAttr::default()
    };
    let args = bpf_args(BPF_PROG_LOAD, &attr);
    // SAFETY: the kernel reads `attr`, of the size given, and from there as
    // many instructions as it says and a string that ends with a zero.
    let program = unsafe { raw::syscall(__NR_bpf, args) };
    let program = program.map_err(|errno| Error::new("BPF_PROG_LOAD", 0, errno))?;
    // SAFETY: the call gave a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(program as i32) })
}

fn bpf_args<T>(command: u64, attr: &T) -> [u64; 6] {
    [
        command,
        core::ptr::from_ref(attr) as u64,
        size_of::<T>() as u64,
        0,
        0,
        0,
    ]
}

#[cfg(test)]
mod tests;
