//! Where the images of the descriptors go.

use std::fmt;

use commensal_images::messages::FdinfoEntry;
use commensal_images::{EntryWriter, Image, ImageSet, ImageSink, WriteError};

type Open<'s> = dyn Fn(Image) -> Result<EntryWriter<'s>, WriteError> + 's;

/// An image set, whatever its sink is.
pub struct Images<'s>(Box<Open<'s>>);

impl<'s> Images<'s> {
    /// The images of this set.
    pub fn of<S: ImageSink>(set: &'s ImageSet<S>) -> Self {
        Self(Box::new(|image| set.entries(image)))
    }

    /// Begins an image; see [`ImageSet::entries`].
    pub(crate) fn entries(&self, image: Image) -> Result<EntryWriter<'s>, WriteError> {
        (self.0)(image)
    }

    /// Writes a whole descriptor table.
    pub(super) fn table(&self, files_id: u32, entries: &[FdinfoEntry]) -> Result<(), WriteError> {
        let mut writer = self.entries(Image::Fdinfo(files_id))?;
        for entry in entries {
            writer.entry(entry)?;
        }
        writer.finish()
    }
}

impl fmt::Debug for Images<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Images")
    }
}
