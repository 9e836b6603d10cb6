//! File locks and leases: flock(2), POSIX and OFD locks, F_SETLEASE (fcntl_locking(2)).
//!
//! `/proc/locks` says which inodes have any; only descriptors of those are asked for theirs. A
//! lock of a description (flock, OFD, lease) is written with the first descriptor of it, a POSIX
//! lock with the first in each table, since the table owns it.

use std::collections::HashSet;

use commensal_images::messages::FileLockEntry;
use commensal_images::{EntryWriter, Image};
use commensal_sys::Pid;
use commensal_sys::task_iter::FileRecord;

use super::fdinfo::{FdInfo, field};
use super::{FilesDump, Images, OpenFile};
use crate::{Error, Result, proc};

// What the images call the kinds.
const POSIX: u32 = 1;
const FLOCK: u32 = 2;
const OFD: u32 = 4;
const LEASE: u32 = 8;

// fcntl(2); flock's shared and exclusive locks are written with the same numbers.
const F_RDLCK: u32 = 0;
const F_WRLCK: u32 = 1;
const F_UNLCK: u32 = 2;

/// What the images put beside the type of a lease that is being broken.
const LEASE_BREAKING: u32 = 4;

/// How many descriptors are asked one by one for their locks. `/proc/locks` tells of all at once,
/// but to open it can take 10 ms: it waits for every processor (lib/percpu-rwsem).
const ASKED: usize = 48;

/// The locks of a tree.
pub struct Locks<'s> {
    image: EntryWriter<'s>,
    /// Descriptors that were asked one by one.
    asked: usize,
    /// The inodes with locks, of whatever task; read when it pays.
    inodes: Option<Locked>,
    written: HashSet<(u32, Option<Pid>)>,
}

impl<'s> Locks<'s> {
    /// None yet.
    pub fn new(images: &Images<'s>) -> Result<Self> {
        let image = images.entries(Image::FileLocks)?;
        Ok(Self {
            image,
            asked: 0,
            inodes: None,
            written: HashSet::new(),
        })
    }

    /// Reads `/proc/locks` where `descriptors` are so many that it will be read: for some time
    /// after that the next one who does need not wait.
    pub fn expect(&self, descriptors: usize) {
        if descriptors > ASKED {
            // What is wrong is told when it is needed.
            let _ = Locked::read();
        }
    }

    /// Whether there may be locks on a file: known for sure where the kernel told of it, or [`ASKED`] is
    /// passed.
    fn may_be_on(&mut self, file: &OpenFile) -> Result<bool> {
        if let Some(record) = file.record() {
            return Ok(record.locks != 0);
        }
        if self.inodes.is_none() && self.asked < ASKED {
            self.asked += 1;
            return Ok(true);
        }
        Ok(self.locked()?.inodes.contains(&file.stat.ino))
    }

    /// Completes the image.
    pub fn finish(self) -> Result<()> {
        Ok(self.image.finish()?)
    }

    /// Whether some task holds a lease on a file, which opening it would break.
    ///
    /// # Errors
    ///
    /// When `/proc/locks` cannot be read.
    pub fn lease_on(&mut self, file: &OpenFile) -> Result<bool> {
        match file.record() {
            Some(record) => Ok(record.locks & FileRecord::LEASE != 0),
            None => Ok(self.locked()?.leases.contains(&file.stat.ino)),
        }
    }

    fn locked(&mut self) -> Result<&Locked> {
        Ok(match &mut self.inodes {
            Some(locked) => locked,
            none => none.insert(Locked::read()?),
        })
    }
}

/// Writes the locks that a descriptor holds.
///
/// # Errors
///
/// A refusal where there are some and `--file-locks` was not given.
pub fn note(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    if file.is_path_only() || !dump.locks.may_be_on(file)? {
        return Ok(());
    }
    let pid = file.at.pid;
    // Our duplicate would not show the locks of the task's table.
    let info = FdInfo::read(proc::path(pid, &format!("fdinfo/{}", file.at.fd)))?;
    let mut kinds = HashSet::new();
    for line in info.lines().filter_map(|line| field(line, "lock")) {
        let lock = parse(line).ok_or_else(|| info.unexpected(line))?;
        if !dump.options.file_locks {
            return Err(refuse(file, lock.flag));
        }
        let table = (lock.flag == POSIX).then_some(pid);
        kinds.insert(table);
        if !dump.locks.written.contains(&(id, table)) {
            write(file, lock, dump)?;
        }
    }
    dump.locks
        .written
        .extend(kinds.into_iter().map(|table| (id, table)));
    Ok(())
}

fn refuse(file: &OpenFile, kind: u32) -> Error {
    let what = match kind {
        POSIX => "a file with a POSIX lock",
        FLOCK => "a file with a flock(2) lock",
        OFD => "a file with a lock of its open file description",
        _ => "a file with a lease",
    };
    file.refuse(
        what,
        "a task outside of the tree may wait for it, which no dump can tell",
        "where no other task uses the file, dump it with the lock: --file-locks",
    )
}

fn write(file: &OpenFile, mut lock: FileLockEntry, dump: &mut FilesDump<'_>) -> Result<()> {
    if lock.flag == LEASE && lock.r#type & LEASE_BREAKING != 0 {
        let target = file.ask("F_GETLEASE", commensal_sys::fcntl::lease)?;
        lock.r#type = LEASE_BREAKING | target;
    }
    lock.pid = dump.pids.task(file.at.pid)?.for_image() as i32;
    lock.fd = file.at.fd;
    Ok(dump.locks.image.entry(&lock)?)
}

/// `2: POSIX  ADVISORY  WRITE 8217 fe:00:10010980 5 14`: kind, whether it binds, type, owner,
/// inode, first and last byte.
pub fn parse(line: &str) -> Option<FileLockEntry> {
    let (_, rest) = line.split_once(':')?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let [kind, state, kind_of_access, _owner, _inode, start, end] = fields[..] else {
        return None;
    };
    let flag = match kind {
        "POSIX" => POSIX,
        "FLOCK" => FLOCK,
        "OFDLCK" => OFD,
        "LEASE" => LEASE,
        _ => return None,
    };
    let breaking = if kind == "LEASE" && state == "BREAKING" {
        LEASE_BREAKING
    } else {
        0
    };
    let access = match kind_of_access {
        "READ" => F_RDLCK,
        "WRITE" => F_WRLCK,
        "UNLCK" => F_UNLCK,
        _ => return None,
    };
    let start: i64 = start.parse().ok()?;
    let len = match end {
        "EOF" => 0,
        end => {
            let end = end.parse::<i64>().ok().filter(|&end| end >= start)?;
            end.checked_add(1)?.checked_sub(start)?
        }
    };
    Some(FileLockEntry {
        flag,
        r#type: access | breaking,
        pid: 0,
        fd: 0,
        start,
        len,
    })
}

/// The inodes in `/proc/locks`, by number alone: on some file systems the device there is another
/// one than stat(2)'s.
#[derive(Debug, Default)]
struct Locked {
    /// Those with a lock or lease.
    inodes: HashSet<u64>,
    /// Those with a lease.
    leases: HashSet<u64>,
}

impl Locked {
    fn read() -> Result<Self> {
        const PATH: &str = "/proc/locks";
        let text = std::fs::read_to_string(PATH).map_err(|source| Error::Proc {
            path: PATH.into(),
            source,
        })?;
        let mut locked = Self::default();
        for line in text.lines() {
            let inode = inode(line);
            let inode = inode.ok_or_else(|| proc::unexpected(PATH, line.as_bytes()))?;
            locked.inodes.insert(inode);
            if line.split_whitespace().any(|word| word == "LEASE") {
                locked.leases.insert(inode);
            }
        }
        Ok(locked)
    }
}

/// The inode in a line of `/proc/locks`.
pub fn inode(line: &str) -> Option<u64> {
    line.split_whitespace().find_map(|word| {
        let mut parts = word.split(':');
        let inode = parts.nth(2)?;
        parts.next().is_none().then(|| inode.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(flag: u32, access: u32, start: i64, len: i64) -> Option<FileLockEntry> {
        Some(FileLockEntry {
            flag,
            r#type: access,
            pid: 0,
            fd: 0,
            start,
            len,
        })
    }

    #[test]
    fn every_kind_of_lock() {
        let of = |line| parse(line);
        assert_eq!(
            of("1: FLOCK  ADVISORY  READ 8217 fe:00:1 0 EOF"),
            lock(FLOCK, F_RDLCK, 0, 0)
        );
        assert_eq!(
            of("2: POSIX  ADVISORY  WRITE 8217 fe:00:1 5 14"),
            lock(POSIX, F_WRLCK, 5, 10)
        );
        assert_eq!(
            of("3: OFDLCK ADVISORY  READ -1 fe:00:1 100 119"),
            lock(OFD, F_RDLCK, 100, 20)
        );
        assert_eq!(
            of("1: LEASE  BREAKING  READ 8217 fe:00:1 0 EOF"),
            lock(LEASE, F_RDLCK | LEASE_BREAKING, 0, 0)
        );
    }

    #[test]
    fn broken_lines_are_no_locks() {
        for line in [
            "",
            "1: FLOCK",
            "1: POSIX ADVISORY READ 1 a:b:1 9 x",
            "1: POSIX ADVISORY READ 1 a:b:1 9 5",
            "1: POSIX ADVISORY READ 1 a:b:1 0 9223372036854775807",
            "1: X A READ 1 a 0 EOF",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
