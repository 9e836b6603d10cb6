//! Room for pages, made before the freeze: on tmpfs making a page of an image
//! takes as long as copying it. A full disk is noticed before the target is
//! touched, too.

use std::fs::File;
use std::sync::Arc;

use commensal_images::{Image, RawWriter, WriteError};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::Result;

/// Room in a file, for whoever has the time to make it.
#[must_use = "there is no room until it is made"]
pub struct Room {
    file: Arc<File>,
    /// The number in the image's name.
    id: u32,
    bytes: u64,
}

impl Room {
    /// Makes the room, where the file system can.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Image`] where there is none.
    pub fn make(self) -> Result<()> {
        let Err(errno) = fallocate(&self.file, FallocateFlags::empty(), 0, self.bytes) else {
            return Ok(());
        };
        if let Errno::OPNOTSUPP | Errno::NOSYS = errno {
            return Ok(());
        }
        // What room there was is given back with the file's end.
        let _ = self.file.set_len(0);
        Err(WriteError::io("fallocate", Image::Pages(self.id), errno).into())
    }
}

/// A pages image that there is room for.
pub(super) struct Reserved<'s> {
    /// The number in the image's name.
    pub id: u32,
    /// The image.
    pub image: Arc<RawWriter<'s>>,
    /// Whether its pages are held until all have been read.
    pub is_held: bool,
    /// Bytes that there may be room for in the file.
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

    /// The same with room for so many bytes, where it is a file, and that room is made.
    pub fn new(image: (u32, RawWriter<'s>), bytes: u64, is_held: bool) -> (Self, Option<Room>) {
        let mut reserved = Self::without_room(image, is_held);
        let file = reserved.image.as_file().filter(|_| bytes > 0).cloned();
        let room = file.map(|file| Room {
            file,
            id: reserved.id,
            bytes,
        });
        reserved.bytes = room.as_ref().map_or(0, |room| room.bytes);
        (reserved, room)
    }

    /// Gives back the room that was not needed.
    pub fn trim(&mut self, used: u64) -> Result<()> {
        self.used = used;
        match self.image.as_file() {
            Some(file) if self.bytes > used => {
                self.bytes = used;
                let name = Image::Pages(self.id);
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
