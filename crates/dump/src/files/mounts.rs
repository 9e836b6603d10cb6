//! What files and the mounts of a mount namespace of the tree's own ask of each other.

use commensal_sys::Pid;

use super::{FilesDump, OpenFile};
use crate::mnt::Mounts;
use crate::tree::namespaces::{has_own, own_pid};
use crate::{Options, Result};

impl FilesDump<'_> {
    /// The mounts of a mount namespace of the tree's own, read anew: the tree stands still.
    ///
    /// # Errors
    ///
    /// When mountinfo cannot be read.
    pub fn own_mounts(&mut self, root: Pid) -> Result<Option<Mounts>> {
        if self.root.is_own() {
            self.mounts = Mounts::of_tree(root, &self.options.mounts)?;
        }
        Ok(self.root.is_own().then(|| self.mounts.clone()))
    }

    /// Whether the tree has the master of a pty.
    pub fn has_pty_master(&self, index: u32) -> bool {
        self.terminals.has_master(index)
    }
}

/// The mounts of the namespace that the tree of `root` lives in. In ours they are those that we see:
/// a root directory that chroot(2) made hides others from the tree.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn of(root: Pid, options: &Options) -> Result<Mounts> {
    match has_own(root, "mnt")? {
        true => Mounts::of_tree(root, &options.mounts),
        false => Mounts::of(own_pid()),
    }
}

/// The mount it is on, of a mount namespace of the tree's own.
pub fn mount_for_image(file: &OpenFile, dump: &FilesDump<'_>) -> Option<i32> {
    let known = dump.mounts.by_id(file.stat.mnt_id)?;
    i32::try_from(dump.root.mount_for_image(known.id)?).ok()
}
