//! Room for pages, made before the freeze: on tmpfs making a page of an image
//! takes as long as copying it. A full disk is noticed before the target is
//! touched, too.

use std::sync::Arc;

use commensal_images::{RawWriter, WriteError};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::Result;

/// A pages image that there is room for.
pub(super) struct Reserved<'s> {
    /// The number in the image's name.
    pub id: u32,
    /// The image.
    pub image: Arc<RawWriter<'s>>,
    /// Whether its pages are held until all have been read.
    pub is_held: bool,
    /// Bytes that there is room for in the file.
    bytes: u64,
    /// Bytes that are needed.
    used: u64,
}

impl<'s> Reserved<'s> {
    /// An image whose pages are held, or written as they come.
    pub fn without_room((id, image): (u32, RawWriter<'s>), is_held: bool) -> Self {
        Self {
            id,
            image: Arc::new(image),
            is_held,
            bytes: 0,
            used: 0,
        }
    }

    /// Makes room in the image, where it is a file of a file system that can.
    pub fn new(image: (u32, RawWriter<'s>), bytes: u64, is_held: bool) -> Result<Self> {
        let mut reserved = Self::without_room(image, is_held);
        let Some(file) = reserved.image.as_file().filter(|_| bytes > 0) else {
            return Ok(reserved);
        };
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => reserved.bytes = bytes,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(errno) => {
                // What room there was is given back with the file's end.
                let _ = file.set_len(0);
                let name = commensal_images::Image::Pages(reserved.id);
                return Err(WriteError::io("fallocate", name, errno).into());
            }
        }
        Ok(reserved)
    }

    /// Gives back the room that was not needed.
    pub fn trim(&mut self, used: u64) -> Result<()> {
        self.used = used;
        match self.image.as_file() {
            Some(file) if self.bytes > used => {
                self.bytes = used;
                let name = commensal_images::Image::Pages(self.id);
                file.set_len(used)
                    .map_err(|error| WriteError::io("ftruncate", name, error).into())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        // Room for a task that ended before it was dumped. It costs the user
        // space and nothing else if it cannot be given back.
        let _ = self.trim(self.used);
    }
}
