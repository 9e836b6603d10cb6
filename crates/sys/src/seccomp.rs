//! A thread's seccomp filters: `PTRACE_SECCOMP_GET_FILTER`.

use linux_raw_sys::general::__NR_ptrace;

use crate::{Errno, Error, Result, Tid, raw};

/// `PTRACE_SECCOMP_GET_FILTER` (linux/ptrace.h).
const PTRACE_SECCOMP_GET_FILTER: u64 = 0x420c;

/// `PTRACE_SECCOMP_GET_METADATA` (linux/ptrace.h).
const PTRACE_SECCOMP_GET_METADATA: u64 = 0x420d;

/// The most instructions that a filter has (`BPF_MAXINSNS`).
const BPF_MAXINSNS: usize = 4096;

/// The size of a `struct sock_filter` in bytes.
const INSTRUCTION_LEN: usize = 8;

/// The program of filter `index` of a thread that this thread traces and that
/// is stopped, as `struct sock_filter`s; `None` behind the last. 0 is the
/// filter that was installed first.
///
/// # Errors
///
/// EACCES without CAP_SYS_ADMIN or where this thread is itself under seccomp,
/// ESRCH when the thread is gone.
pub fn filter(tid: Tid, index: u64) -> Result<Option<Vec<u8>>> {
    let mut program = vec![0u8; BPF_MAXINSNS * INSTRUCTION_LEN];
    let args = [
        PTRACE_SECCOMP_GET_FILTER,
        tid.get() as u64,
        index,
        program.as_mut_ptr() as u64,
        0,
        0,
    ];
    // SAFETY: ptrace(2) writes one filter, at most BPF_MAXINSNS instructions,
    // to the address; the buffer has room for all and is exclusively ours.
    let count = unsafe { raw::syscall(__NR_ptrace, args) };
    match count {
        Ok(count) => {
            program.truncate(count as usize * INSTRUCTION_LEN);
            Ok(Some(program))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::new("PTRACE_SECCOMP_GET_FILTER", tid.get(), errno)),
    }
}

/// The `SECCOMP_FILTER_FLAG_*` that filter `index` was installed with; `None`
/// where the kernel cannot tell.
///
/// # Errors
///
/// As [`filter`].
pub fn filter_flags(tid: Tid, index: u64) -> Result<Option<u64>> {
    // struct seccomp_metadata: filter_off, flags.
    let mut metadata = [index, 0];
    let args = [
        PTRACE_SECCOMP_GET_METADATA,
        tid.get() as u64,
        size_of_val(&metadata) as u64,
        metadata.as_mut_ptr() as u64,
        0,
        0,
    ];
    // SAFETY: ptrace(2) reads and writes at most the given length at the
    // address, which is all of `metadata`, exclusively ours.
    let done = unsafe { raw::syscall(__NR_ptrace, args) };
    match done {
        Ok(_) => Ok(Some(metadata[1])),
        Err(Errno::IO) => Ok(None),
        Err(errno) => Err(Error::new("PTRACE_SECCOMP_GET_METADATA", tid.get(), errno)),
    }
}
