//! A task held by descriptor, and duplicates of its descriptors: pidfd_getfd(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::{Error, Pid, Result};

/// A descriptor of a task: unlike a number it never comes to mean another one.
#[derive(Debug)]
pub struct PidFd {
    pid: Pid,
    fd: OwnedFd,
}

impl PidFd {
    /// Opens the descriptor of a live task.
    ///
    /// # Errors
    ///
    /// ESRCH when there is no such thread group.
    pub fn open(pid: Pid) -> Result<Self> {
        match pidfd_open(pid.to_rustix(), PidfdFlags::empty()) {
            Ok(fd) => Ok(Self { pid, fd }),
            Err(errno) => Err(Error::new("pidfd_open", pid.get(), errno)),
        }
    }

    /// The task.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// A duplicate, in this process, of the task's descriptor `fd`: the same
    /// open file description, so that its offset and flags are the task's own.
    /// It is close-on-exec.
    ///
    /// # Errors
    ///
    /// EBADF where the task has no such descriptor, EPERM without the right to
    /// ptrace it, ESRCH when it is gone, EMFILE where this process is full.
    pub fn duplicate(&self, fd: i32) -> Result<OwnedFd> {
        pidfd_getfd(&self.fd, fd, PidfdGetfdFlags::empty())
            .map_err(|errno| Error::new("pidfd_getfd", self.pid.get(), errno))
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::Errno;

    #[test]
    fn a_duplicate_shares_the_offset() {
        let me = PidFd::open(Pid::new(std::process::id() as i32).unwrap()).unwrap();
        let mut file = std::fs::File::open("/proc/self/exe").unwrap();
        let mut duplicate = std::fs::File::from(me.duplicate(file.as_raw_fd()).unwrap());
        file.seek(SeekFrom::Start(77)).unwrap();
        assert_eq!(duplicate.stream_position().unwrap(), 77);
    }

    #[test]
    fn a_closed_number_is_ebadf() {
        let me = PidFd::open(Pid::new(std::process::id() as i32).unwrap()).unwrap();
        assert_eq!(me.duplicate(1_000_000).unwrap_err().errno, Errno::BADF);
    }
}
