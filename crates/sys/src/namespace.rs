//! What a thread of ours needs to go into other namespaces (namespaces(7)), and how those belong to
//! each other (ioctl_nsfs(2)).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use linux_raw_sys::general::__NR_ioctl;
use rustix::io::Errno;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::raw;

// include/uapi/linux/nsfs.h
const NS_GET_USERNS: u32 = 0xb701;
const NS_GET_PARENT: u32 = 0xb702;

/// Opens the user namespace that owns a namespace.
///
/// # Errors
///
/// EPERM where that is none of ours, nor of those below.
pub fn owner(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    related(namespace, NS_GET_USERNS)
}

/// Opens the parent of a user or pid namespace.
///
/// # Errors
///
/// EPERM where that is not ours, nor below ours; EINVAL for a namespace of another kind.
pub fn parent(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    related(namespace, NS_GET_PARENT)
}

fn related(namespace: BorrowedFd<'_>, request: u32) -> Result<OwnedFd, Errno> {
    let fd = namespace.as_raw_fd() as u64;
    // SAFETY: the two requests above take no argument.
    let new = unsafe { raw::syscall(__NR_ioctl, [fd, u64::from(request), 0, 0, 0, 0]) }?;
    // SAFETY: the kernel has just installed this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(new as RawFd) })
}

/// Gives the calling thread a root and a working directory of its own (`CLONE_FS`), which
/// setns(2) into a mount namespace asks for.
///
/// # Errors
///
/// Those of unshare(2).
pub fn unshare_root_directory() -> Result<(), Errno> {
    // SAFETY: only CLONE_FILES, which is not among the flags, parts threads from descriptors.
    unsafe { unshare_unsafe(UnshareFlags::FS) }
}

/// Moves the calling thread into a copy of its mount namespace.
///
/// # Errors
///
/// Those of unshare(2), for one `EPERM` without CAP_SYS_ADMIN.
pub fn unshare_mounts() -> Result<(), Errno> {
    // SAFETY: only CLONE_FILES, which is not among the flags, parts threads from descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
}

/// Moves the calling thread into a new network namespace.
///
/// # Errors
///
/// Those of unshare(2), for one `EPERM` without CAP_SYS_ADMIN.
pub fn unshare_network() -> Result<(), Errno> {
    // SAFETY: only CLONE_FILES, which is not among the flags, parts threads from descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn only_user_and_pid_namespaces_have_parents() {
        let uts = File::open("/proc/self/ns/uts").unwrap();
        assert_eq!(parent(uts.as_fd()).unwrap_err(), Errno::INVAL);
    }
}
