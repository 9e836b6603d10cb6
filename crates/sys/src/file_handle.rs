//! Opening a file by its handle: open_by_handle_at(2).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use linux_raw_sys::general::{__NR_open_by_handle_at, O_CLOEXEC, O_PATH};

use crate::{Errno, raw};

/// The longest handle, in bytes (`MAX_HANDLE_SZ`).
pub const MAX_HANDLE_SIZE: usize = 128;

/// `struct file_handle` with room for the longest handle.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    data: [u8; MAX_HANDLE_SIZE],
}

/// Opens, with `O_PATH`, the file of the filesystem under `mount` that has
/// this handle.
///
/// # Errors
///
/// ESTALE where there is no such file, EPERM without `CAP_DAC_READ_SEARCH`,
/// EINVAL where the handle is longer than [`MAX_HANDLE_SIZE`].
pub fn open(mount: BorrowedFd<'_>, kind: i32, handle: &[u8]) -> Result<OwnedFd, Errno> {
    let mut raw_handle = Handle {
        bytes: handle.len() as u32,
        kind,
        data: [0; MAX_HANDLE_SIZE],
    };
    raw_handle
        .data
        .get_mut(..handle.len())
        .ok_or(Errno::INVAL)?
        .copy_from_slice(handle);
    let args = [
        mount.as_raw_fd() as u64,
        &raw const raw_handle as u64,
        u64::from(O_PATH | O_CLOEXEC),
        0,
        0,
        0,
    ];
    // SAFETY: the kernel reads the header of the handle and `bytes` bytes
    // behind it, which were checked to lie within `data`.
    let fd = unsafe { raw::syscall(__NR_open_by_handle_at, args) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
