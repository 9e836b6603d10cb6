//! What the kernel says of a file through our duplicate of it.

use std::os::fd::{AsRawFd, OwnedFd};

use commensal_sys::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, SeekFrom};

use super::super::fdinfo::FdInfo;
use super::OpenFile;
use crate::Result;

/// Room for most paths at the first try, in bytes.
const LINK_BUFFER: usize = 256;

impl OpenFile {
    /// Its flags (F_GETFL).
    pub(super) fn ask_flags(&self) -> Result<u32> {
        let flags = self.ask("F_GETFL", |fd| rustix::fs::fcntl_getfl(fd))?;
        Ok(flags.bits())
    }

    /// Which of these `events` poll(2) tells of it now.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn poll(&self, events: PollFlags) -> Result<PollFlags> {
        self.ask("poll", |fd| {
            let mut fds = [PollFd::new(&fd, events)];
            poll(&mut fds, Some(&Timespec::default()))?;
            Ok(fds[0].revents())
        })
    }

    /// The offset, in bytes, of a file on a file system where lseek(2) only tells it.
    pub fn offset(&self) -> Result<u64> {
        if self.is_path || self.is_path_only() {
            return Ok(0);
        }
        self.ask("lseek", |fd| rustix::fs::seek(fd, SeekFrom::Current(0)))
    }

    /// The text that `/proc/PID/fd/FD` links to: a path with, for a name that is gone,
    /// " (deleted)" behind it, or the name of a kind. Any byte may be in it.
    pub fn link(&self) -> Result<Vec<u8>> {
        let path = self.proc_path("fd");
        match rustix::fs::readlink(path, Vec::with_capacity(LINK_BUFFER)) {
            Ok(link) => Ok(link.into_bytes()),
            Err(errno) => Err(self.error("readlink", errno)),
        }
    }

    /// What `/proc/PID/fdinfo/FD` says of the description.
    pub fn fdinfo(&self) -> Result<FdInfo> {
        FdInfo::read(self.proc_path("fdinfo"))
    }

    /// Opens the same inode anew, for reading: the task's offset stays where it is, and so does
    /// the time of the last read where we may ask for that.
    pub fn reopen(&self) -> Result<OwnedFd> {
        let open = |flags| rustix::fs::open(self.proc_path("fd"), flags, Mode::empty());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        match open(flags | OFlags::NOATIME) {
            // Only the owner of a file may read it unnoticed.
            Err(Errno::PERM) => open(flags),
            other => other,
        }
        .map_err(|errno| self.error("open", errno))
    }

    /// The path of our duplicate in a folder of `/proc/self`: `fd` or `fdinfo`.
    pub fn proc_path(&self, dir: &str) -> String {
        format!("/proc/self/{dir}/{}", self.fd.as_raw_fd())
    }
}
