//! Room for pages, made before the freeze: on tmpfs making a page of an image
//! takes as long as copying it. A full disk is noticed before the target is
//! touched, too.

use commensal_images::{RawWriter, WriteError};
use commensal_sys::FilePages;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::Result;

/// A pages image that has room for as many bytes as were expected.
pub(super) struct Reserved<'s> {
    /// The number in the image's name.
    pub id: u32,
    /// The image.
    pub image: RawWriter<'s>,
    /// Its first bytes, where they were mapped.
    pub mapped: Option<FilePages>,
    /// Bytes that there is room for.
    bytes: u64,
    /// Bytes that are needed.
    used: u64,
}

impl<'s> Reserved<'s> {
    /// Makes room in the image, where it is a file of a file system that can.
    pub fn new((id, image): (u32, RawWriter<'s>), bytes: u64) -> Result<Self> {
        let bytes = match image.as_file() {
            Some(file) if bytes > 0 => {
                match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
                    Ok(()) => bytes,
                    Err(Errno::OPNOTSUPP | Errno::NOSYS) => 0,
                    Err(errno) => {
                        // What room there was is given back with the file's end.
                        let _ = file.set_len(0);
                        let name = commensal_images::Image::Pages(id);
                        return Err(WriteError::io("fallocate", name, errno).into());
                    }
                }
            }
            _ => 0,
        };
        Ok(Self {
            id,
            image,
            mapped: None,
            bytes,
            used: 0,
        })
    }

    /// Maps what there is room for, if that is no more than `most` bytes: pages then go from a
    /// task into the image in one copy. Gives how many bytes are mapped. Where it does not work,
    /// they are written.
    pub fn map(&mut self, most: u64) -> u64 {
        let file = self
            .image
            .as_file()
            .filter(|_| (1..=most).contains(&self.bytes));
        self.mapped = file.and_then(|file| FilePages::map(file, self.bytes as usize).ok());
        self.mapped.as_ref().map_or(0, |mapped| mapped.len() as u64)
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
