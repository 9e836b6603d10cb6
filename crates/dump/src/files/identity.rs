//! Which descriptors are the same open file description, and the id of each.
//!
//! Descriptors that were duplicated (dup(2), fork(2), SCM_RIGHTS) share offset and flags and must
//! share them after the restore, so they get one id. Two can only be the same where they agree in
//! what never changes of a description: its inode and its access mode. Among those kcmp(2)
//! gives a total order, so that one of `n` is found with about `log2(n)` calls.

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
    /// Per key, the descriptions in kcmp's order.
    seen: HashMap<Key, Vec<Seen>>,
    last: u32,
}

impl Identities {
    /// An id for something that is written like a file and is none of a task's descriptors.
    pub fn fresh(&mut self) -> u32 {
        self.last += 1;
        self.last
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
        let candidates = self.seen.entry(key).or_default();
        let position = search(candidates, file.at)?;
        match position {
            Ok(index) => Ok(Identity::Known(candidates[index].id)),
            Err(index) => {
                self.last += 1;
                candidates.insert(
                    index,
                    Seen {
                        at: file.at,
                        id: self.last,
                    },
                );
                Ok(Identity::New(self.last))
            }
        }
    }
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

    use super::super::own_pid;
    use super::*;

    fn open(file: &File) -> OpenFile {
        OpenFile::of_task(
            &PidFd::open(own_pid()).unwrap(),
            file.as_raw_fd(),
            &crate::pidns::Pids::OURS,
        )
        .unwrap()
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
