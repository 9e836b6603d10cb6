//! What files and the namespaces of the tree's own ask of each other.

use std::sync::Arc;

use commensal_sys::Pid;

use super::{FilesDump, OpenFile};
use crate::Result;
use crate::mnt::Namespaces;
use crate::net::namespace::Networks;
use crate::pidns::Pids;
use crate::tree::namespaces::IdsOfTree;

impl FilesDump<'_> {
    /// Reads anew which network namespaces the tree lives in, and the mounts of mount namespaces of
    /// its own: its `live` tasks stand still, the root first, and their namespaces have these `ids`.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn read_namespaces(&mut self, live: &[Pid], ids: &IdsOfTree) -> Result<()> {
        self.sockets.begin(Networks::of(live, ids)?);
        if self.namespaces.are_own() {
            let known = (&self.pids, ids);
            let namespaces = Namespaces::of(live, known, &self.options.mounts)?;
            self.namespaces = Arc::new(namespaces);
        }
        Ok(())
    }

    /// The network namespaces of the tree.
    pub(crate) fn networks(&self) -> &Networks {
        self.sockets.networks()
    }

    /// The mount namespaces of the tree.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// The live tasks of the tree and its zombies, the root first.
    pub(crate) fn tasks(&self) -> &[Pid] {
        &self.tasks
    }

    /// What the tree calls its tasks.
    pub(crate) fn pids(&self) -> &Pids {
        &self.pids
    }

    /// The mount that the master of a pty was opened on, if the tree has it.
    pub fn mount_of_pty_master(&self, index: u32) -> Option<u64> {
        self.terminals.mount_of_master(index)
    }
}

/// The mount it is on, of a mount namespace of the tree's own.
pub fn mount_for_image(file: &OpenFile, dump: &FilesDump<'_>) -> Option<i32> {
    let id = dump.namespaces.mount_for_image(file.stat.mnt_id)?;
    i32::try_from(id).ok()
}
