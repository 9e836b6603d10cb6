//! The commands of fcntl(2) that rustix does not have: who is told of I/O on a
//! file, and leases.

use std::os::fd::{AsRawFd, BorrowedFd};

use linux_raw_sys::general::{__NR_close, __NR_fcntl};

use crate::{Errno, raw};

// include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h
const F_GETSIG: u64 = 11;
const F_GETOWN_EX: u64 = 16;
const F_GETOWNER_UIDS: u64 = 17;
const F_GETLEASE: u64 = 1025;

/// `struct f_owner_ex` (fcntl(2), F_GETOWN_EX).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// `F_OWNER_TID` 0, `F_OWNER_PID` 1 or `F_OWNER_PGRP` 2.
    pub kind: i32,
    /// The thread, process or process group; 0 where none was set.
    pub pid: i32,
}

/// The kind of an [`Owner`] that is a thread (`F_OWNER_TID`).
pub const OWNER_THREAD: i32 = 0;

/// The user who set the owner (fcntl(2), F_GETOWNER_UIDS).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerUids {
    /// The real user id.
    pub uid: u32,
    /// The effective user id.
    pub euid: u32,
}

/// Closes a descriptor of ours that was inherited. `fd` is one that nothing in this program has
/// opened; otherwise whoever did gets EBADF. One that is not open is no error.
pub fn close_inherited(fd: u32) {
    // SAFETY: close(2) touches no memory.
    let _ = unsafe { raw::syscall(__NR_close, [u64::from(fd), 0, 0, 0, 0, 0]) };
}

/// Who gets the signals of this file.
///
/// # Errors
///
/// EBADF for an `O_PATH` descriptor.
pub fn owner(fd: BorrowedFd<'_>) -> Result<Owner, Errno> {
    let mut owner = Owner::default();
    // SAFETY: F_GETOWN_EX writes one `struct f_owner_ex`, which `Owner` is.
    unsafe { fcntl(fd, F_GETOWN_EX, &raw mut owner as u64) }?;
    Ok(owner)
}

/// With whose rights the signals of this file are sent.
///
/// # Errors
///
/// EBADF for an `O_PATH` descriptor, EINVAL on a kernel without
/// `CONFIG_CHECKPOINT_RESTORE`.
pub fn owner_uids(fd: BorrowedFd<'_>) -> Result<OwnerUids, Errno> {
    let mut uids = OwnerUids::default();
    // SAFETY: F_GETOWNER_UIDS writes two `uid_t`, which `OwnerUids` is.
    unsafe { fcntl(fd, F_GETOWNER_UIDS, &raw mut uids as u64) }?;
    Ok(uids)
}

/// Which signal tells of I/O on this file; 0 is SIGIO without siginfo.
///
/// # Errors
///
/// EBADF for an `O_PATH` descriptor.
pub fn signal(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    // SAFETY: F_GETSIG has no argument.
    unsafe { fcntl(fd, F_GETSIG, 0) }.map(|signal| signal as u32)
}

/// The lease this open file description holds: `F_RDLCK` 0, `F_WRLCK` 1,
/// `F_UNLCK` 2; while a lease is being broken, what it must become.
///
/// # Errors
///
/// EINVAL for a file that is not regular.
pub fn lease(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    // SAFETY: F_GETLEASE has no argument.
    unsafe { fcntl(fd, F_GETLEASE, 0) }.map(|lease| lease as u32)
}

/// # Safety
///
/// Where the command takes an address, `arg` must point to memory of ours that
/// may be written as fcntl(2) says.
unsafe fn fcntl(fd: BorrowedFd<'_>, command: u64, arg: u64) -> Result<u64, Errno> {
    // SAFETY: the caller's promise.
    unsafe { raw::syscall(__NR_fcntl, [fd.as_raw_fd() as u64, command, arg, 0, 0, 0]) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_fresh_file_has_neither_owner_nor_lease() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(owner(file.as_fd()), Ok(Owner::default()));
        assert_eq!(owner_uids(file.as_fd()), Ok(OwnerUids::default()));
        assert_eq!(signal(file.as_fd()), Ok(0));
        assert_eq!(lease(file.as_fd()), Ok(2));
    }
}
