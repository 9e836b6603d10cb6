//! Which descriptors are the same open file description, and the id of each.
//!
//! Descriptors that were duplicated (dup(2), fork(2), SCM_RIGHTS) share offset and flags and must
//! share them after the restore, so they get one id. Two can only be the same where they agree in
//! what never changes of a description: its inode and its access mode. Among those kcmp(2)
//! gives a total order, so that one of `n` is found with about `log2(n)` calls. Where the kernel has
//! told what stands for each description of a tree's tables ([`OpenFile::record`]), only those
//! that come from elsewhere, such as a socket's queue, are compared.

use std::collections::HashMap;

use commensal_sys::kcmp::{self, TaskFd};

use super::OpenFile;
use crate::Result;

/// What two descriptors of one description always agree in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    dev: u64,
    ino: u64,
    access_mode: u32,
}

/// A description that was seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: TaskFd,
    id: u32,
}

/// A description that was seen, as the kernel has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: u32,
    /// The device of its file.
    pub dev: u64,
    /// The inode of its file.
    pub ino: u64,
}

/// The id of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It has not been seen before; its contents are still to be written.
    New(u32),
    /// It was seen through another descriptor.
    Known(u32),
}

/// The ids of all files of a tree.
#[derive(Debug, Default)]
pub struct Identities {
    /// By what the kernel has for them.
    told: HashMap<u64, Known>,
    /// Per key, those of them that were not compared with each other.
    told_of: HashMap<Key, Vec<Seen>>,
    /// Per key, the other descriptions in kcmp's order.
    seen: HashMap<Key, Vec<Seen>>,
    last: u32,
}

impl Identities {
    /// An id for something that is written like a file and is none of a task's descriptors.
    pub fn fresh(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// What was seen of a description that the kernel has this number for.
    pub fn known(&self, told: u64) -> Option<Known> {
        self.told.get(&told).copied()
    }

    /// The id of the description behind a descriptor.
    ///
    /// # Errors
    ///
    /// When kcmp(2) fails: one of the tasks is gone.
    pub fn resolve(&mut self, file: &OpenFile) -> Result<Identity> {
        let key = Key {
            dev: file.stat.dev,
            ino: file.stat.ino,
            access_mode: file.access_mode(),
        };
        let told = file.record().map(|record| record.description);
        if let Some(known) = told.and_then(|told| self.known(told)) {
            return Ok(Identity::Known(known.id));
        }
        let candidates = self.seen.entry(key).or_default();
        let position = match search(candidates, file.at)? {
            Ok(index) => return Ok(Identity::Known(candidates[index].id)),
            Err(index) => index,
        };
        let told_of = self.told_of.entry(key).or_default();
        if told.is_none()
            && let Some(known) = find(told_of, file.at)?
        {
            return Ok(Identity::Known(known.id));
        }
        self.last += 1;
        let seen = Seen {
            at: file.at,
            id: self.last,
        };
        match told {
            Some(told) => {
                let Key { dev, ino, .. } = key;
                let id = seen.id;
                self.told.insert(told, Known { id, dev, ino });
                told_of.push(seen);
            }
            None => candidates.insert(position, seen),
        }
        Ok(Identity::New(seen.id))
    }
}

/// The one that is the same, where there is one.
fn find(candidates: &[Seen], at: TaskFd) -> Result<Option<&Seen>> {
    for seen in candidates {
        if kcmp::files(seen.at, at)?.is_eq() {
            return Ok(Some(seen));
        }
    }
    Ok(None)
}

/// A binary search whose comparison can fail: where it is, or where it belongs.
fn search(candidates: &[Seen], at: TaskFd) -> Result<Result<usize, usize>> {
    let (mut low, mut high) = (0, candidates.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match kcmp::files(candidates[middle].at, at)? {
            std::cmp::Ordering::Equal => return Ok(Ok(middle)),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(Err(low))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use commensal_sys::pidfd::PidFd;
    use commensal_sys::task_iter::FileRecord;

    use super::super::named::Told;
    use super::super::own_pid;
    use super::*;

    fn open(file: &File) -> OpenFile {
        OpenFile::of_task(
            &PidFd::open(own_pid()).unwrap(),
            file.as_raw_fd(),
            None,
            (&crate::pidns::Pids::OURS, &crate::userns::Users::OURS),
        )
        .unwrap()
    }

    #[test]
    fn what_the_kernel_tells_and_what_is_compared_go_together() {
        let mut identities = Identities::default();
        let file = File::open("/dev/null").unwrap();
        let other = File::open("/dev/null").unwrap();
        let told = |file: &File, description| {
            let mut file = open(file);
            let record = FileRecord {
                description,
                ..FileRecord::default()
            };
            let named = None;
            file.told = Some(Told { record, named });
            file
        };
        let mut resolve = |file: &OpenFile| identities.resolve(file).unwrap();
        assert_eq!(resolve(&open(&other)), Identity::New(1));
        assert_eq!(resolve(&told(&file, 7)), Identity::New(2));
        assert_eq!(resolve(&told(&file, 7)), Identity::Known(2));
        // Each was seen in the other way.
        assert_eq!(resolve(&open(&file)), Identity::Known(2));
        assert_eq!(resolve(&told(&other, 8)), Identity::Known(1));
    }

    #[test]
    fn duplicates_share_an_id_among_many_opens() {
        let mut identities = Identities::default();
        let opens: Vec<_> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
        let ids: Vec<_> = opens
            .iter()
            .map(|f| identities.resolve(&open(f)).unwrap())
            .collect();
        for (n, identity) in ids.iter().enumerate() {
            assert_eq!(*identity, Identity::New(n as u32 + 1));
        }
        for (n, file) in opens.iter().enumerate() {
            let duplicate = file.try_clone().unwrap();
            let identity = identities.resolve(&open(&duplicate)).unwrap();
            assert_eq!(identity, Identity::Known(n as u32 + 1));
        }
    }
}
