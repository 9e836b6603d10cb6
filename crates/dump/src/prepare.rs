//! What is read of the tree while it still runs, so that it need not be read
//! while it stands still.

mod mapped;

use std::collections::HashMap;
use std::path::Path;

use commensal_images::{ImagesDir, PageChain};
use commensal_sys::Pid;

use crate::cgroup::Cgroups;
use crate::files::Around;
use crate::mm::{Mappings, Tracker, bytes_of};
use crate::pidns::{Pids, VirtualId};
use crate::rounds::Rounds;
use crate::tree::ids::Ids;
use crate::userns::Users;
use crate::{Error, Result};

pub use mapped::Mapped;

/// What is known of the tree, and of ourselves, before the tree is stopped.
#[derive(Debug)]
pub struct Prepared {
    /// Their memory.
    pub mapped: Mapped,
    /// With our own objects in it.
    pub ids: Ids,
    /// With our own groups in it; `None` where groups are not dumped.
    pub cgroups: Option<Cgroups>,
    /// With pre-copy, what tells of written pages.
    pub(crate) trackers: HashMap<Pid, Tracker>,
    /// The pages in the images that this dump builds on.
    parents: HashMap<Pid, PageChain>,
    /// What the rounds of a pre-copy came to.
    pub rounds: Rounds,
    /// What the tree calls its tasks.
    pub pids: Pids,
    /// What it calls users and groups.
    pub users: Users,
    /// What is around its descriptors.
    pub around: Around,
}

/// What is known of the tree beside its memory, as [`Prepared`] has it.
pub struct Known {
    /// With our own objects in it.
    pub ids: Ids,
    /// What the tree calls its tasks.
    pub pids: Pids,
    /// What it calls users and groups.
    pub users: Users,
    /// What is around its descriptors.
    pub around: Around,
}

impl Prepared {
    /// What is known of a tree whose memory was looked at.
    pub fn new(mapped: Mapped, known: Known, cgroups: Option<Cgroups>) -> Self {
        let Known {
            ids,
            pids,
            users,
            around,
        } = known;
        Self {
            mapped,
            ids,
            cgroups,
            trackers: HashMap::new(),
            parents: HashMap::new(),
            rounds: Rounds::default(),
            pids,
            users,
            around,
        }
    }

    /// How many bytes of pages the tasks have, by their pids in the images; those of a task whose writes are
    /// tracked are counted now.
    ///
    /// # Errors
    ///
    /// Where a task that is there cannot be looked at.
    pub fn sizes(&self) -> Result<Vec<(VirtualId, u64)>> {
        let mut sizes = Vec::new();
        for (pid, mappings) in &self.mapped.mappings {
            let Ok(id) = self.pids.task(*pid) else {
                continue;
            };
            let bytes = match self.trackers.get(pid) {
                Some(tracker) => bytes_of(mappings, Some(tracker), false),
                None => Ok(self.mapped.sizes().get(pid).copied().unwrap_or(0)),
            };
            match bytes {
                Ok(bytes) => sizes.push((id, bytes)),
                // A task that is gone by now needs no room.
                Err(Error::Sys(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sizes)
    }

    /// The mappings of a task that stands still; `same` if the kernel tells that none has changed.
    ///
    /// # Errors
    ///
    /// As [`Mappings::read`].
    pub fn mappings(&mut self, pid: Pid, same: bool) -> Result<Mappings> {
        let mut mappings = self.mapped.take(pid, same)?;
        if let Some(mut tracker) = self.trackers.remove(&pid)
            && tracker.register(&mappings).is_ok()
        {
            mappings.disown(&tracker);
            self.trackers.insert(pid, tracker);
        }
        Ok(mappings)
    }

    /// What is known of the written pages of a task, with pre-copy.
    pub fn tracker(&self, pid: Pid) -> Option<&Tracker> {
        self.trackers.get(&pid)
    }

    /// Builds on the images in `target`, a directory relative to `dir`, from here on.
    ///
    /// # Errors
    ///
    /// [`Error::Earlier`] where they cannot be read.
    pub fn build_on(&mut self, target: &Path, dir: &ImagesDir) -> Result<()> {
        dir.link_parent(target)?;
        let parent = dir.path().join("parent");
        for &pid in self.mapped.mappings.keys() {
            let image = self.pids.task(pid)?.pagemap();
            self.parents
                .extend(PageChain::open(&parent, image)?.map(|chain| (pid, chain)));
        }
        Ok(())
    }

    /// The pages of a task in the images that this dump builds on.
    pub fn parent(&self, pid: Pid) -> Option<&PageChain> {
        self.parents.get(&pid)
    }
}
