//! What is read of the tree while it still runs, so that it need not be read
//! while it stands still.

use std::collections::HashMap;
use std::path::Path;

use commensal_images::{ImageSink, ImagesDir, PageChain};
use commensal_sys::Pid;

use crate::cgroup::Cgroups;
use crate::files::Around;
use crate::mm::{Allow, MappedFileCache, Mappings, PageWriter, Tracker};
use crate::pidns::Pids;
use crate::records::{Loading, Records};
use crate::rounds::Rounds;
use crate::tree::ids::Ids;
use crate::tree::namespaces::IdsOfTree;
use crate::userns::Users;
use crate::{Error, Options, Refusal, Result};

/// What is known of the tree, and of ourselves, before the tree is stopped.
#[derive(Debug)]
pub struct Prepared {
    allow: Allow,
    pub(crate) files: MappedFileCache,
    pub(crate) mappings: HashMap<Pid, Mappings>,
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
    /// What the kernel has written down of them.
    pub records: Records,
    /// How far the kernel's count of changes was when the mappings of each were read.
    changes: HashMap<Pid, u64>,
}

/// What is known of the tree before its memory is looked at, as [`Prepared`] has it.
pub struct Known {
    /// With our own objects in it.
    pub ids: Ids,
    /// The ids of its namespaces.
    pub namespaces: IdsOfTree,
    /// What the tree calls its tasks.
    pub pids: Pids,
    /// What it calls users and groups.
    pub users: Users,
    /// What is around its descriptors.
    pub around: Around,
}

impl Prepared {
    /// Reads the mappings of the running `tasks`, below `root`, of which so much is `known`, and adds
    /// everything that cannot be dumped to `refusals`.
    ///
    /// # Errors
    ///
    /// Where a task that is there cannot be read.
    pub fn new(
        root: Pid,
        tasks: &[Pid],
        known: Known,
        (readers, options): (&Loading, &Options),
        refusals: &mut Vec<Refusal>,
    ) -> Result<Self> {
        let Known {
            ids,
            namespaces,
            pids,
            users,
            around,
        } = known;
        let cgroups = options
            .cgroups
            .then(|| Cgroups::new(root, &namespaces, options));
        let mut prepared = Self {
            allow: Allow {
                protection_keys: options.accept_loss,
                uprobes: options.allow_uprobes,
                system_v: namespaces.has_own("ipc"),
            },
            files: MappedFileCache::default(),
            mappings: HashMap::new(),
            ids,
            cgroups: cgroups.transpose()?,
            trackers: HashMap::new(),
            parents: HashMap::new(),
            rounds: Rounds::default(),
            pids,
            users,
            around,
            records: Records::of(tasks, readers.readers()),
            changes: HashMap::new(),
        };
        for &pid in tasks {
            match prepared.read(pid) {
                Ok(mappings) => {
                    prepared.mappings.insert(pid, mappings);
                }
                Err(Error::Refused(found)) => refusals.extend(found),
                // It ended, or became another program: seen again when it
                // stands still.
                Err(Error::Gone { .. } | Error::Proc { .. } | Error::Sys(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(prepared)
    }

    /// Makes room for the pages that the tasks have now; gives their bytes.
    ///
    /// # Errors
    ///
    /// Where there is no room for them.
    pub fn reserve<S: ImageSink>(&self, pages: &PageWriter<'_, S>) -> Result<u64> {
        let mut sizes = Vec::new();
        for (pid, mappings) in &self.mappings {
            let Ok(id) = self.pids.task(*pid) else {
                continue;
            };
            match pages.bytes_of(mappings, self.trackers.get(pid)) {
                Ok(bytes) => sizes.push((id, bytes)),
                // A task that is gone by now needs no room.
                Err(Error::Sys(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let total = sizes.iter().map(|(_, bytes)| bytes).sum();
        pages.make_room(sizes)?;
        Ok(total)
    }

    /// The mappings of a task that stands still; `same` if the kernel tells that none has changed.
    ///
    /// # Errors
    ///
    /// As [`Mappings::read`].
    pub fn mappings(&mut self, pid: Pid, same: bool) -> Result<Mappings> {
        let mut mappings = match self.mappings.remove(&pid) {
            Some(mappings) if same && self.files.names_hold() => mappings,
            Some(mut mappings) => {
                mappings.refresh(&mut self.files)?;
                mappings
            }
            None => self.read(pid)?,
        };
        if let Some(mut tracker) = self.trackers.remove(&pid)
            && tracker.register(&mappings).is_ok()
        {
            mappings.disown(&tracker);
            self.trackers.insert(pid, tracker);
        }
        Ok(mappings)
    }

    /// Whether the mappings of a task that stands still, and their flags, are as they were read, by how far
    /// the kernel has counted their `changes` now, if it tells.
    pub fn mappings_hold(&self, pid: Pid, changes: Option<u64>) -> bool {
        changes.is_some() && self.changes.get(&pid) == changes.as_ref()
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
        for &pid in self.mappings.keys() {
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

    pub(crate) fn read(&mut self, pid: Pid) -> Result<Mappings> {
        self.changes.remove(&pid);
        let changes = self.records.mapping_changes(pid);
        self.changes.extend(changes.map(|changes| (pid, changes)));
        Mappings::read(pid, &mut self.files, self.allow)
    }
}
