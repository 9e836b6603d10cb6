//! What stat(2) says of a file.

use std::os::fd::BorrowedFd;

use commensal_sys::Errno;
use rustix::fs::{AtFlags, CWD, Statx, StatxFlags};

use crate::userns::{Gid, Owner, Uid};

/// What stat(2) says of a file, and the mount it was opened on.
#[derive(Clone, Debug)]
pub struct Stat {
    /// The device of the file system, in stat(2)'s encoding.
    pub dev: u64,
    /// The inode number.
    pub ino: u64,
    /// The device the inode stands for, in stat(2)'s encoding.
    pub rdev: u64,
    /// Type and permissions.
    pub mode: u32,
    /// How many names the inode has.
    pub nlink: u32,
    /// Whose it is.
    pub owner: Owner,
    /// The size, in bytes.
    pub size: u64,
    /// Space on disk, in units of 512 bytes.
    pub blocks: u64,
    /// Last read, in seconds and nanoseconds.
    pub atime: (i64, u32),
    /// Last write, in seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// The mount, as mountinfo numbers it.
    pub mnt_id: u64,
}

impl Stat {
    /// Reads it from a descriptor of ours.
    pub fn of(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        let mask = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, mask).map(|statx| Self::from(&statx))
    }

    /// Reads it by a path. Nothing is mounted on demand for that (autofs(5)): who would do it may stand
    /// still.
    pub fn of_path(path: &[u8], flags: AtFlags) -> Result<Self, Errno> {
        let mask = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        rustix::fs::statx(CWD, path, flags | AtFlags::NO_AUTOMOUNT, mask)
            .map(|statx| Self::from(&statx))
    }

    /// `S_IFMT` of the mode.
    pub fn file_type(&self) -> rustix::fs::FileType {
        rustix::fs::FileType::from_raw_mode(self.mode)
    }
}

impl From<&Statx> for Stat {
    fn from(s: &Statx) -> Self {
        Self {
            dev: rustix::fs::makedev(s.stx_dev_major, s.stx_dev_minor),
            ino: s.stx_ino,
            rdev: rustix::fs::makedev(s.stx_rdev_major, s.stx_rdev_minor),
            mode: s.stx_mode.into(),
            nlink: s.stx_nlink,
            owner: Owner {
                uid: Uid::told(s.stx_uid),
                gid: Gid::told(s.stx_gid),
            },
            size: s.stx_size,
            blocks: s.stx_blocks,
            atime: (s.stx_atime.tv_sec, s.stx_atime.tv_nsec),
            mtime: (s.stx_mtime.tv_sec, s.stx_mtime.tv_nsec),
            mnt_id: s.stx_mnt_id,
        }
    }
}
