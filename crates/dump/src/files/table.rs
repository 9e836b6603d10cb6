//! One descriptor table: which numbers are open, and `fdinfo-N.img`.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;

use commensal_images::messages::{FdTypes, FdinfoEntry};
use commensal_sys::kcmp::TaskFd;
use commensal_sys::pidfd::PidFd;
use commensal_sys::task_iter::FileRecord;
use commensal_sys::{Errno, Pid};
use rustix::fs::{Dir, Mode, OFlags};

use super::identity::Known;
use super::{FilesDump, OpenFile, fdinfo};
use crate::{Error, Result, proc};

/// The first lines of fdinfo, `pos` and `flags`, are shorter than this, in bytes.
const FDINFO_START: usize = 64;

/// `FD_CLOEXEC` (fcntl(2)).
const FD_CLOEXEC: u32 = 1;

/// A number of a table and its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdFlags {
    /// The number.
    pub fd: i32,
    /// Whether execve(2) closes it.
    pub cloexec: bool,
}

/// The table of a task, which others may share (CLONE_FILES).
#[derive(Debug)]
pub struct Table<'t> {
    /// A task that has it; of several the one with the lowest pid, which restores it.
    pub task: &'t PidFd,
    /// The number of its image.
    pub files_id: u32,
    /// What is open in it, where the task was asked from inside; read from /proc where not.
    pub open: Option<&'t [FdFlags]>,
    /// What the kernel has written down of each number, where it tells.
    pub records: &'t HashMap<i32, FileRecord>,
}

/// A descriptor that was written.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Whose it is.
    pub at: TaskFd,
    /// The device of its file.
    pub dev: u64,
    /// The inode of its file.
    pub ino: u64,
    /// The id of its description.
    pub id: u32,
}

impl FilesDump<'_> {
    /// Writes a descriptor table and every file in it that is new.
    ///
    /// # Errors
    ///
    /// A refusal for a descriptor that cannot be dumped, [`Error::Gone`] when the task is.
    pub fn table(&mut self, table: &Table<'_>) -> Result<()> {
        let pid = table.task.pid();
        let listed;
        let open = match table.open {
            Some(open) => open,
            None => {
                listed = list(pid)?;
                &listed
            }
        };
        let mut entries = Vec::with_capacity(open.len());
        for one in open {
            let record = table.records.get(&one.fd);
            if let Some(entry) = record.and_then(|record| self.again(pid, *one, record)) {
                entries.push(entry);
                continue;
            }
            let told = record.map(|record| self.named.by(record));
            let file = OpenFile::of_task(table.task, one.fd, told, (&self.pids, &self.users))?;
            entries.push(self.descriptor(&file, *one)?);
        }
        Ok(self.images.table(table.files_id, &entries)?)
    }

    /// A descriptor of a description that was written before, if the kernel tells so, and that there are
    /// no locks which this task may have on its file.
    fn again(&mut self, pid: Pid, one: FdFlags, record: &FileRecord) -> Option<FdinfoEntry> {
        let known = self.identities.known(record.description)?;
        let fd_type = *self.types.get(&known.id)?;
        (record.locks == 0).then_some(())?;
        let at = TaskFd { pid, fd: one.fd };
        let Known { id, dev, ino } = known;
        self.held.push(Held { at, dev, ino, id });
        Some(entry(one, fd_type, id))
    }

    /// The id of a description that a descriptor written so far refers to, by the device and
    /// inode of its file.
    pub fn descriptor_of(&self, dev: u64, ino: u64) -> Option<u32> {
        let of = |held: &&Held| held.dev == dev && held.ino == ino;
        self.held.iter().find(of).map(|held| held.id)
    }

    /// Writes one descriptor of a task, which is `file`.
    pub(super) fn descriptor(&mut self, file: &OpenFile, one: FdFlags) -> Result<FdinfoEntry> {
        let (fd_type, id) = self.dump(file)?;
        super::locks::note(file, id, self)?;
        self.held.push(Held {
            at: file.at,
            dev: file.stat.dev,
            ino: file.stat.ino,
            id,
        });
        Ok(entry(one, fd_type, id))
    }
}

/// A number of a table, which stands for a description.
fn entry(one: FdFlags, fd_type: FdTypes, id: u32) -> FdinfoEntry {
    FdinfoEntry {
        id,
        flags: if one.cloexec { FD_CLOEXEC } else { 0 },
        r#type: fd_type.into(),
        fd: one.fd as u32,
        xattr_security_selinux: None,
    }
}

/// The numbers that are open in a task, in order, with their flags.
///
/// # Errors
///
/// [`Error::Gone`] when the task is.
fn list(pid: Pid) -> Result<Vec<FdFlags>> {
    let dir = open_fdinfo(pid)?;
    let flags = |fd| {
        let cloexec = is_cloexec(&dir, fd).map_err(|source| Error::Proc {
            path: proc::path(pid, &format!("fdinfo/{fd}")),
            source,
        })?;
        Ok(FdFlags { fd, cloexec })
    };
    numbers_in(&dir, pid)?.into_iter().map(flags).collect()
}

/// The numbers that are open in a task, in order.
///
/// # Errors
///
/// [`Error::Gone`] when the task is.
pub fn numbers(pid: Pid) -> Result<Vec<i32>> {
    numbers_in(&open_fdinfo(pid)?, pid)
}

fn open_fdinfo(pid: Pid) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(proc::path(pid, "fdinfo"), flags, Mode::empty())
        .map_err(|errno| unreadable(pid, errno))
}

fn numbers_in(dir: &OwnedFd, pid: Pid) -> Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in Dir::read_from(dir).map_err(|errno| unreadable(pid, errno))? {
        let entry = entry.map_err(|errno| unreadable(pid, errno))?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") {
            continue;
        }
        let number = std::str::from_utf8(name)
            .ok()
            .and_then(|name| name.parse().ok());
        numbers.push(number.ok_or_else(|| proc::unexpected(proc::path(pid, "fdinfo"), name))?);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn unreadable(pid: Pid, errno: Errno) -> Error {
    match errno {
        Errno::NOENT | Errno::SRCH => Error::Gone { pid },
        errno => Error::Proc {
            path: proc::path(pid, "fdinfo"),
            source: errno.into(),
        },
    }
}

/// Whether execve(2) closes a number. Only fdinfo tells that from outside, so this is read for
/// every descriptor: relative to its directory, into the stack, and no further than needed.
fn is_cloexec(dir: &OwnedFd, fd: i32) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, fd.to_string(), flags, Mode::empty())?;
    let mut buffer = [0; FDINFO_START];
    let len = rustix::io::read(file, &mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..len]);
    let flags = text
        .lines()
        .find_map(fdinfo::flags)
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(flags & OFlags::CLOEXEC.bits() != 0)
}
