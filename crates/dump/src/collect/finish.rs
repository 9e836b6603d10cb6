//! What belongs to the tree as a whole, written when every task has been collected.

use commensal_images::messages::TaskKobjIdsEntry;
use commensal_images::{Image, ImageSink};

use super::Collector;
use crate::cgroup::Cgroups;
use crate::files::{Links, TunDevices, UnreadData};
use crate::net::Connections;
use crate::tree::image;
use crate::tree::namespaces::tree_id;
use crate::{Result, Summary, mnt, uts};

/// What is known of the whole tree when every task has been collected.
pub struct Collected<'s> {
    /// The ids of the dumping task.
    pub own_ids: TaskKobjIdsEntry,
    /// The ids of the root of the tree.
    pub root_ids: TaskKobjIdsEntry,
    /// The control groups of the dumping task.
    pub own_cgroups: Option<u32>,
    /// Whether the tree has a pid namespace of its own.
    pub own_pids: bool,
    /// What was written.
    pub figures: Summary,
    /// Whether a task has the kernel's page of uprobes, which the restore must be told is accepted.
    pub have_uprobes: bool,
    /// What is unread in terminals; to be dropped before the tree runs on.
    pub unread: Option<UnreadData<'s>>,
    /// The names that were made for the restore.
    pub links: Links,
    /// The tun and tap interfaces that tasks of the tree have open.
    pub tun_devices: TunDevices,
}

impl<'s, S: ImageSink> Collector<'s, '_, S> {
    /// Writes what belongs to the tree as a whole. Gives its TCP connections, too, whose packets
    /// are held back.
    ///
    /// # Errors
    ///
    /// When an image cannot be written, or something in the tree refers to
    /// what is not in it.
    pub fn finish(mut self) -> Result<(Collected<'s>, Connections)> {
        image::write(self.set, &self.nodes)?;
        self.set.one(Image::Seccomp, &self.filters.into_entry())?;
        let own_cgroups = self.cgroups.as_ref().map(Cgroups::own);
        if let Some(entry) = self.cgroups.map(Cgroups::into_entry).transpose()?.flatten() {
            self.set.one(Image::Cgroup, &entry)?;
        }
        if self.files.namespaces().are_own() {
            mnt::dump(self.set, &self.users, &self.files, self.options)?;
            self.figures.own_mounts = true;
        }
        let mut files = self.files.finish()?;
        let root = self.root;
        if let Some(segments) = self.segments {
            segments.dump((root, &self.users), self.set, &mut files.memory_files)?;
        }
        if self.root_ids.uts_ns_id == Some(tree_id("uts")) {
            uts::write(self.set, root)?;
        }
        self.users.write(self.set)?;
        self.figures.own_users = self.users.are_own();
        let shared = self.pages.shared(&files.memory_files)?;
        self.figures.shared_pages_scanned = shared.scanned;
        self.figures.shared_pages_written = shared.written;
        let collected = Collected {
            own_ids: self.own_ids,
            root_ids: self.root_ids,
            own_cgroups,
            own_pids: self.pids.are_own(),
            figures: self.figures,
            have_uprobes: self.have_uprobes,
            unread: Some(files.unread_data),
            links: files.links,
            tun_devices: files.tun_devices,
        };
        Ok((collected, files.connections))
    }
}
