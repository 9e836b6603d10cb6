//! What files have that the images have no place for and that seldom changes: looked for while the
//! tree still runs, where it costs no frozen time.

use rustix::fs::FileType;

use super::{FilesDump, OpenFile};
use crate::Place;

/// What a restore will not bring back, and where it is.
pub type Unsaved = Vec<(Place, String)>;

impl FilesDump<'_> {
    /// Keeps what the images have no place for until it can be said, see [`warn`].
    pub(crate) fn is_unsaved(&mut self, file: &OpenFile, what: impl Into<String>) {
        if !self.writes() {
            self.unsaved.push((file.place.clone(), what.into()));
        }
    }

    /// Tells a watched directory (fcntl(2), F_NOTIFY) by its owner, which the kernel sets with the
    /// watch and uses for nothing else.
    pub(super) fn look_for_notify(&mut self, file: &OpenFile) {
        let is_directory = file.stat.file_type() == FileType::Directory;
        if is_directory && (file.owner.pid != 0 || file.owner_thread.is_some()) {
            self.is_unsaved(file, "watches of a directory (F_NOTIFY)");
        }
    }
}

/// Says it.
pub fn warn(unsaved: &Unsaved) {
    for (place, what) in unsaved {
        tracing::warn!("{place}: the images have no place for {what}");
    }
}
