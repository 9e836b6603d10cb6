//! Where an image set goes: a directory, or anything that can take files by name.

use std::fs::File;
use std::sync::Arc;

use crate::{Image, WriteError};

/// Takes the files of one image set. Several may be open at once, from several threads.
pub trait ImageSink: Send + Sync {
    /// Begins an empty file.
    ///
    /// # Errors
    /// When the file is there already or cannot be made.
    fn create(&self, image: Image) -> Result<Box<dyn SinkFile>, WriteError>;

    /// Writes a whole file that must not be seen half-written: the inventory, which makes the
    /// others an image set.
    ///
    /// # Errors
    /// When the file cannot be written; nothing by its name is left then.
    fn commit(&self, image: Image, contents: &[u8]) -> Result<(), WriteError>;

    /// Whether the files are those of a directory, and whoever writes one of them waits for no reader.
    fn is_directory(&self) -> bool {
        false
    }
}

/// One file of a sink. Dropping it closes it.
pub trait SinkFile: Send + Sync {
    /// Writes all of `bytes` at `offset`, in bytes from the start of the file. Calls may come in
    /// any order and from several threads; they do not overlap.
    ///
    /// # Errors
    /// When not all bytes could be written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), WriteError>;

    /// The file itself, open for reading and writing, when the sink is a directory. Bytes may be
    /// written past this interface into it.
    fn as_file(&self) -> Option<&Arc<File>> {
        None
    }
}
