//! The descriptors a thread has for its own use in the GDT
//! (set_thread_area(2)): 32-bit code's thread-local storage.

use linux_raw_sys::general::__NR_ptrace;

use crate::{Error, Result, Tid, raw};

/// `PTRACE_GET_THREAD_AREA` (asm/ptrace-abi.h).
const PTRACE_GET_THREAD_AREA: u64 = 25;

/// The first of the GDT's entries for threads on x86-64
/// (`GDT_ENTRY_TLS_MIN`, arch/x86/include/asm/segment.h).
pub const TLS_FIRST: u32 = 12;

/// How many there are.
pub const TLS_COUNT: u32 = 3;

/// `struct user_desc` (asm/ldt.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UserDesc {
    /// The entry's number in the GDT.
    pub entry_number: u32,
    /// The segment's base address.
    pub base_addr: u32,
    /// The segment's limit.
    pub limit: u32,
    /// The bit-fields, `seg_32bit` lowest.
    pub flags: u32,
}

/// The entry `number` of a thread that this thread traces and that is stopped.
///
/// # Errors
///
/// ESRCH when the thread is gone or not stopped, EINVAL where `number` is no
/// entry for threads.
pub fn get(tid: Tid, number: u32) -> Result<UserDesc> {
    let mut desc = UserDesc::default();
    let args = [
        PTRACE_GET_THREAD_AREA,
        tid.get() as u64,
        u64::from(number),
        &raw mut desc as u64,
        0,
        0,
    ];
    // SAFETY: ptrace(2) writes one `struct user_desc` to the address,
    // exclusively ours.
    let done = unsafe { raw::syscall(__NR_ptrace, args) };
    done.map_err(|errno| Error::new("PTRACE_GET_THREAD_AREA", tid.get(), errno))?;
    Ok(desc)
}
