//! One descriptor of a task, seen from outside through a duplicate of it.

mod ask;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use commensal_images::messages::FownEntry;
use commensal_seized::later;
use commensal_sys::kcmp::TaskFd;
use commensal_sys::pidfd::PidFd;
use commensal_sys::task_iter::FileRecord;
use commensal_sys::{Errno, Pid};
use rustix::fs::OFlags;

use super::Stat;
use super::named::Told;
use super::owner::Names;
use crate::{Error, Place, Refusal, Result};

/// An open file description of a task, held through a descriptor of ours.
#[derive(Debug)]
pub struct OpenFile {
    /// A descriptor of it for kcmp(2): the task's, or ours where the task has none.
    pub at: TaskFd,
    /// Where it was found.
    pub place: Place,
    /// What stat(2) says.
    pub stat: Stat,
    /// The type of its file system (statfs(2)).
    pub fs_magic: u64,
    /// Its flags (F_GETFL); never with `O_CLOEXEC`.
    pub flags: u32,
    /// Who is told of I/O on it.
    pub owner: FownEntry,
    /// The thread that is told instead (F_OWNER_TID), as the kernel told us of it; none where it
    /// is the leader of its task.
    pub owner_thread: Option<i32>,
    /// Whether it stands for its path alone: no description of a task is behind it.
    pub is_path: bool,
    /// What the kernel has told of it.
    pub told: Option<Told>,
    fd: OwnedFd,
}

impl OpenFile {
    /// Duplicates descriptor `fd` of a task and asks what the kernel has not `told` of it.
    ///
    /// # Errors
    ///
    /// EBADF from pidfd_getfd(2) where the task has closed it.
    pub fn of_task(task: &PidFd, fd: i32, told: Option<Told>, names: Names<'_>) -> Result<Self> {
        let duplicate = task.duplicate(fd)?;
        let pid = task.pid();
        let mut file = Self::new(TaskFd { pid, fd }, Place::Fd { pid, fd }, duplicate, told)?;
        file.flags = file
            .record()
            .map_or_else(|| file.ask_flags(), |told| Ok(told.flags))?;
        let is_free = file.record().is_some_and(|record| record.owner == 0);
        if !file.is_path_only() && !is_free {
            file.ask_owner(names)?;
        }
        Ok(file)
    }

    /// A file that a task holds without a descriptor: opened by us, it stands for a path only,
    /// without flags, offset and owner.
    ///
    /// # Errors
    ///
    /// When the file system does not answer.
    pub fn of_path(fd: OwnedFd, place: Place) -> Result<Self> {
        let at = TaskFd {
            pid: own_pid(),
            fd: fd.as_raw_fd(),
        };
        Ok(Self {
            is_path: true,
            ..Self::new(at, place, fd, None)?
        })
    }

    /// A description that only a socket's queue holds; `fd` is how we received it.
    ///
    /// # Errors
    ///
    /// When the file system does not answer.
    pub fn in_flight(fd: OwnedFd, place: Place, names: Names<'_>) -> Result<Self> {
        let at = TaskFd {
            pid: own_pid(),
            fd: fd.as_raw_fd(),
        };
        let mut file = Self::new(at, place, fd, None)?;
        file.flags = file.ask_flags()?;
        if !file.is_path_only() {
            file.ask_owner(names)?;
        }
        Ok(file)
    }

    fn new(at: TaskFd, place: Place, fd: OwnedFd, told: Option<Told>) -> Result<Self> {
        let named = told.as_ref().and_then(|told| told.named.as_ref());
        let (stat, fs_magic) = match named {
            Some(named) => (named.stat.clone(), named.fs_magic),
            None => Self::look(&place, &fd)?,
        };
        Ok(Self {
            at,
            place,
            stat,
            fs_magic,
            flags: 0,
            owner: FownEntry::default(),
            owner_thread: None,
            is_path: false,
            told,
            fd,
        })
    }

    /// What stat(2) and statfs(2) say.
    fn look(place: &Place, fd: &OwnedFd) -> Result<(Stat, u64)> {
        let failed = |call| {
            let place = place.clone();
            move |errno| Error::Call { call, place, errno }
        };
        let stat = Stat::of(fd.as_fd()).map_err(|errno| match errno {
            Errno::NOENT => super::unsupported::vanished(place, fd),
            errno => failed("statx")(errno),
        })?;
        let fs = rustix::fs::fstatfs(fd).map_err(failed("fstatfs"))?;
        Ok((stat, fs.f_type as u64))
    }

    /// What the kernel has written down of it, where it tells.
    pub fn record(&self) -> Option<&FileRecord> {
        self.told.as_ref().map(|told| &told.record)
    }

    /// The name that is known to lead to it.
    pub fn known_name(&self) -> Option<&[u8]> {
        let named = self.told.as_ref()?.named.as_ref()?;
        Some(&named.name)
    }

    /// Our duplicate of it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Another duplicate, that stays when this one goes.
    ///
    /// # Errors
    ///
    /// EMFILE where we have too many open.
    pub fn try_clone(&self) -> Result<Self> {
        let fd = self.ask("F_DUPFD_CLOEXEC", |fd| {
            rustix::io::fcntl_dupfd_cloexec(fd, 0)
        })?;
        Ok(Self {
            at: self.at,
            place: self.place.clone(),
            stat: self.stat.clone(),
            fs_magic: self.fs_magic,
            flags: self.flags,
            owner: self.owner.clone(),
            owner_thread: self.owner_thread,
            is_path: self.is_path,
            told: self.told.clone(),
            fd,
        })
    }

    /// Gives our duplicate away.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Makes a call about it, and names both in the error.
    pub fn ask<T>(
        &self,
        call: &'static str,
        ask: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T> {
        ask(self.fd()).map_err(|errno| self.error(call, errno))
    }

    /// The error of a call about it.
    pub fn error(&self, call: &'static str, errno: Errno) -> Error {
        Error::Call {
            call,
            place: self.place.clone(),
            errno,
        }
    }

    /// The error of not being able to dump it.
    pub fn refuse(
        &self,
        what: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Error {
        Error::from(Refusal {
            what: what.into(),
            place: self.place.clone(),
            reason: reason.into(),
            remedy: remedy.into(),
        })
    }

    /// Refuses what the images can hold only in part; warns instead where the caller accepts that
    /// (`Options::accept_loss`).
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn lose(
        &self,
        what: impl Into<String>,
        reason: impl Into<String>,
        accepted: bool,
    ) -> Result<()> {
        let (what, reason) = (what.into(), reason.into());
        if accepted {
            let place = self.place.clone();
            later(move || tracing::warn!("{place}: {what}: {reason}"));
            return Ok(());
        }
        let remedy = "close it before the dump, or accept the loss: --accept-loss";
        Err(self.refuse(what, reason, remedy))
    }

    /// Whether it was opened with `O_PATH`.
    pub fn is_path_only(&self) -> bool {
        self.flags & OFlags::PATH.bits() != 0
    }

    /// `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
    pub fn access_mode(&self) -> u32 {
        self.flags & OFlags::RWMODE.bits()
    }

    /// Whether it may be read.
    pub fn is_readable(&self) -> bool {
        self.access_mode() != OFlags::WRONLY.bits()
    }
}

/// This process.
pub fn own_pid() -> Pid {
    Pid::new(std::process::id() as i32).expect("a process has a positive id")
}
