//! Files that stand for a path, written while the tree still runs: what it maps, its programs and
//! directories hardly ever change, so that when it stands still there is only to be asked whether
//! they did.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use commensal_sys::{Pid, RemoteRange};
use rustix::fs::AtFlags;

use super::{FilesDump, OpenFile, Stat, build_id, regular, remap, table};
use crate::{Place, Result};

/// Room for most paths, in bytes.
const LINK: usize = 256;

/// The ids of files by mount, device, inode and name.
#[derive(Debug, Default)]
pub struct Foreseen(HashMap<Key, u32>);

type Key = (u64, u64, u64, Vec<u8>);

impl Foreseen {
    /// The id of a file with this name.
    pub fn get(&self, stat: &Stat, name: Vec<u8>) -> Option<u32> {
        self.0.get(&key(stat, name)).copied()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn key(stat: &Stat, name: Vec<u8>) -> Key {
    (stat.mnt_id, stat.dev, stat.ino, name)
}

impl FilesDump<'_> {
    /// As [`FilesDump::register`], of a tree that runs: `None` for a file whose name does not
    /// lead to it, which needs more than an entry.
    ///
    /// # Errors
    ///
    /// When the file system does not answer.
    pub fn foresee(&mut self, fd: OwnedFd, place: Place) -> Result<Option<u32>> {
        let file = OpenFile::of_path(fd, place)?;
        let Some(name) = remap::plain_name(&file, self)? else {
            return Ok(None);
        };
        if let Some(id) = self.foreseen.get(&file.stat, name.clone()) {
            return Ok(Some(id));
        }
        let id = self.identities.fresh();
        regular::dump_path(&file, id, self)?;
        self.foreseen.0.insert(key(&file.stat, name), id);
        Ok(Some(id))
    }

    /// Prepares for the descriptors of some tasks, just before these are stopped: of those of which the
    /// kernel does not tell whether their files have locks.
    pub fn foresee_descriptors(&self, tasks: impl Iterator<Item = Pid>) {
        let count = |pid| table::numbers(pid).map_or(0, |numbers| numbers.len());
        self.locks.expect(tasks.map(count).sum());
    }

    /// The build id of a file, as a task has it in memory from its start.
    pub fn foresee_build_id(&mut self, dev: u64, ino: u64, pid: Pid, memory: RemoteRange) {
        if let Some(id) = build_id::in_memory(pid, memory) {
            self.build_ids.insert((dev, ino), id);
        }
    }

    /// The id of what a link of a task (`exe`, `cwd`, `root`) leads to, where that was foreseen
    /// and has the same name still.
    pub fn foreseen_link(&self, path: &str) -> Option<u32> {
        let name = rustix::fs::readlink(path, Vec::with_capacity(LINK)).ok()?;
        let stat = Stat::of_path(path.as_bytes(), AtFlags::empty()).ok()?;
        self.foreseen.get(&stat, name.into_bytes())
    }
}
