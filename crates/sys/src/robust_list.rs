//! The head of a thread's robust futex list: get_robust_list(2).

use linux_raw_sys::general::__NR_get_robust_list;

use crate::{Error, RemoteAddr, Result, Tid, raw};

/// The list's head in the thread's memory and the size of the head in bytes.
///
/// # Errors
///
/// EPERM without the right to ptrace the thread, ESRCH when it is gone.
pub fn get(tid: Tid) -> Result<(RemoteAddr, u64)> {
    let mut head = 0u64;
    let mut len = 0u64;
    let args = [
        tid.get() as u64,
        &raw mut head as u64,
        &raw mut len as u64,
        0,
        0,
        0,
    ];
    // SAFETY: get_robust_list(2) writes one word to each of the two addresses,
    // both exclusively ours.
    let done = unsafe { raw::syscall(__NR_get_robust_list, args) };
    done.map_err(|errno| Error::new("get_robust_list", tid.get(), errno))?;
    Ok((RemoteAddr::new(head), len))
}
