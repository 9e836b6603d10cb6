//! Telling which pages of another process are written: a userfaultfd(2) with
//! asynchronous write protection (ioctl_userfaultfd(2),
//! Documentation/admin-guide/mm/userfaultfd.rst; Linux 6.7).
//!
//! A page that [`Pagemap::scan`](crate::pagemap::Pagemap::scan) protects loses
//! its protection with the first write, without anybody being asked or woken.
//! The registration lives as long as the descriptor: when the last process
//! that has it closes it, or dies, the kernel unregisters all ranges and
//! removes all protection (`userfaultfd_release`, mm/userfaultfd.c).

use std::os::fd::{AsRawFd, OwnedFd};

use linux_raw_sys::general::{
    __NR_ioctl, __NR_userfaultfd, O_CLOEXEC, O_NONBLOCK, UFFD_FEATURE_WP_ASYNC,
    UFFD_FEATURE_WP_HUGETLBFS_SHMEM, UFFD_FEATURE_WP_UNPOPULATED, UFFDIO_REGISTER_MODE_WP,
    uffdio_api, uffdio_range, uffdio_register,
};

use crate::{Error, Pid, RemoteRange, Result, raw};

/// The number of userfaultfd(2), which the tracked process itself must call:
/// the descriptor belongs to the memory of its caller.
pub const NR: u32 = __NR_userfaultfd;

/// `UFFD_USER_MODE_ONLY` (linux/userfaultfd.h): needs no privilege. What it
/// takes away, waiting for faults of the kernel, is never done here.
const USER_MODE_ONLY: u32 = 1;

/// The flags to call it with.
pub const FLAGS: u64 = (O_CLOEXEC | O_NONBLOCK | USER_MODE_ONLY) as u64;

/// `UFFD_API` (linux/userfaultfd.h).
const UFFD_API: u64 = 0xaa;
/// `_IOWR(0xaa, 0x3f, struct uffdio_api)`.
const UFFDIO_API: u64 = 0xc018_aa3f;
/// `_IOWR(0xaa, 0, struct uffdio_register)`.
const UFFDIO_REGISTER: u64 = 0xc020_aa00;

/// A userfaultfd of another process, in our hands.
#[derive(Debug)]
pub struct Userfaultfd {
    pid: Pid,
    fd: OwnedFd,
}

impl Userfaultfd {
    /// Enables asynchronous write protection on a userfaultfd that task `pid`
    /// has opened with [`FLAGS`].
    ///
    /// # Errors
    ///
    /// EINVAL where the kernel does not know it (before Linux 6.7).
    pub fn new(pid: Pid, fd: OwnedFd) -> Result<Self> {
        let features =
            UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
        let mut api = uffdio_api {
            api: UFFD_API,
            features: features.into(),
            ioctls: 0,
        };
        let args = [
            fd.as_raw_fd() as u64,
            UFFDIO_API,
            &raw mut api as u64,
            0,
            0,
            0,
        ];
        // SAFETY: UFFDIO_API reads and writes one `uffdio_api`, on this frame.
        let done = unsafe { raw::syscall(__NR_ioctl, args) };
        done.map_err(|errno| Error::new("UFFDIO_API", pid.get(), errno))?;
        Ok(Self { pid, fd })
    }

    /// Registers the mappings in `range` for write protection; for those that
    /// are registered with this descriptor already nothing changes.
    ///
    /// # Errors
    ///
    /// EBUSY where another userfaultfd has registered a part of it, EINVAL
    /// where there is no mapping or one that cannot be registered, EPERM for a
    /// mapping that can never be written to, ESRCH when the memory is gone.
    pub fn register(&self, range: RemoteRange) -> Result<()> {
        let mut register = uffdio_register {
            range: uffdio_range {
                start: range.start().get(),
                len: range.len(),
            },
            mode: UFFDIO_REGISTER_MODE_WP.into(),
            ioctls: 0,
        };
        let fd = self.fd.as_raw_fd() as u64;
        let args = [fd, UFFDIO_REGISTER, &raw mut register as u64, 0, 0, 0];
        // SAFETY: UFFDIO_REGISTER reads and writes one `uffdio_register`, on
        // this frame; the memory it registers is not of this process.
        let done = unsafe { raw::syscall(__NR_ioctl, args) };
        done.map(drop)
            .map_err(|errno| Error::new("UFFDIO_REGISTER", self.pid.get(), errno))
    }
}
