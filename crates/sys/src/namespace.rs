//! What a thread of ours needs to go into other namespaces (namespaces(7)).

use rustix::io::Errno;
use rustix::thread::{UnshareFlags, unshare_unsafe};

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
