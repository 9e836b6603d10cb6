//! An image set that is being written, up to its inventory.

use std::fmt::Debug;

use prost::Message;

use crate::framing::Framing;
use crate::held::Held;
use crate::messages::InventoryEntry;
use crate::writer::append;
use crate::{EntryWriter, Image, ImageSink, RawWriter, WriteError};

/// An image set that is being written.
///
/// The inventory makes a directory an image set, so it can only be written by
/// [`ImageSet::finish`], which ends the set: the writers borrow it and must be gone by then.
///
/// ```
/// # use commensal_images::{Existing, Image, ImageSet, ImagesDir, WriteError, messages};
/// # fn dump(dir: &std::path::Path) -> Result<(), WriteError> {
/// let set = ImageSet::new(ImagesDir::create(dir, Existing::Refuse)?);
/// let mut pstree = set.entries(Image::Pstree)?;
/// pstree.entry(&messages::PstreeEntry { pid: 42, threads: vec![42], ..Default::default() })?;
/// pstree.finish()?;
/// let version = messages::IMG_VERSION;
/// set.finish(&messages::InventoryEntry { img_version: version, ..Default::default() })?;
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0505
/// # use commensal_images::{Existing, Image, ImageSet, ImagesDir, WriteError, messages};
/// # fn dump(dir: &std::path::Path) -> Result<(), WriteError> {
/// let set = ImageSet::new(ImagesDir::create(dir, Existing::Refuse)?);
/// let mut pstree = set.entries(Image::Pstree)?;
/// pstree.entry(&messages::PstreeEntry { pid: 42, threads: vec![42], ..Default::default() })?;
/// let version = messages::IMG_VERSION;
/// set.finish(&messages::InventoryEntry { img_version: version, ..Default::default() })?;
/// pstree.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ImageSet<S> {
    sink: S,
    held: Held,
}

impl<S: ImageSink> ImageSet<S> {
    /// A new set, still without a file.
    pub fn new(sink: S) -> Self {
        ImageSet {
            sink,
            held: Held::default(),
        }
    }

    /// Where the set goes.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    /// Begins an image of entries. Its file may be made as late as in [`ImageSet::finish`]; an
    /// image without entries has no file, as with CRIU.
    ///
    /// # Errors
    /// When `image` is raw, a service image or the inventory.
    pub fn entries(&self, image: Image) -> Result<EntryWriter<'_>, WriteError> {
        let instead = match image.framing() {
            Framing::Common(_) => return Ok(EntryWriter::new(&self.sink, &self.held, image)),
            Framing::Inventory(_) => "ImageSet::finish writes it",
            Framing::Service(_) => "write_service writes it",
            Framing::Raw => {
                return Err(WriteError::WrongKind {
                    file: image.to_string(),
                    what: "entries",
                });
            }
        };
        Err(WriteError::NotPartOfSet {
            file: image.to_string(),
            instead,
        })
    }

    /// Writes an image that holds just `message`.
    ///
    /// # Errors
    /// As [`ImageSet::entries`], or when writing fails.
    pub fn one(&self, image: Image, message: &impl Message) -> Result<(), WriteError> {
        let mut writer = self.entries(image)?;
        writer.entry(message)?;
        writer.finish()
    }

    /// As [`ImageSet::one`] with the message that `make` gives; it is called when the set is
    /// finished, or earlier where many images are held back.
    ///
    /// # Errors
    /// As [`ImageSet::entries`], or when writing fails.
    pub fn one_later<M: Message>(
        &self,
        image: Image,
        make: impl FnOnce() -> M + Send + 'static,
    ) -> Result<(), WriteError> {
        let image = self.entries(image)?.image();
        self.held.put_entry(image, make, &self.sink)
    }

    /// Makes a raw image: pages, or another program's output.
    ///
    /// # Errors
    /// When `image` is not raw, or its file cannot be made.
    pub fn raw(&self, image: Image) -> Result<RawWriter<'_>, WriteError> {
        if image.framing() != Framing::Raw {
            return Err(WriteError::WrongKind {
                file: image.to_string(),
                what: "raw bytes",
            });
        }
        Ok(RawWriter::new(self.sink.create(image)?))
    }

    /// Whether it is a directory of files.
    pub fn is_directory(&self) -> bool {
        self.sink.is_directory()
    }

    /// Writes the images that are complete and were held back.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn flush(&self) -> Result<(), WriteError> {
        self.held.write(&self.sink)
    }

    /// Writes what was held back, at last the inventory, and gives the sink back, for service
    /// images.
    ///
    /// # Errors
    /// When one of them cannot be written; the set stays incomplete then.
    pub fn finish(self, inventory: &InventoryEntry) -> Result<S, WriteError> {
        self.flush()?;
        commit_one(&self.sink, Image::Inventory, inventory)?;
        Ok(self.sink)
    }
}

/// Writes a service image, such as the statistics of a dump, which may come after the inventory
/// and go to another place.
///
/// # Errors
/// When `image` is not a service image, or cannot be written.
pub fn write_service(
    sink: &impl ImageSink,
    image: Image,
    message: &impl Message,
) -> Result<(), WriteError> {
    if !image.is_service() {
        return Err(WriteError::WrongKind {
            file: image.to_string(),
            what: "a service message",
        });
    }
    commit_one(sink, image, message)
}

fn commit_one(
    sink: &impl ImageSink,
    image: Image,
    message: &impl Message,
) -> Result<(), WriteError> {
    let mut contents = image.framing().header();
    append(&mut contents, image, message)?;
    sink.commit(image, &contents)
}
