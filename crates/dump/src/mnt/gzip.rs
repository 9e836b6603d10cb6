//! gzip (RFC 1952) that does not compress, as the tree stands still: stored blocks of deflate (RFC
//! 1951, 3.2.4).

use std::io::{self, Write};

use commensal_images::{RawWriter, WriteError};
use crc32fast::Hasher;

/// No flags, no time, of no known system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// In front of each block: whether it is the last, its length, and that inverted.
const BLOCK_HEADER: usize = 5;
/// The most bytes that a block holds.
const BLOCK: usize = 0xffff;
/// How many blocks are written to the image at once: as many as stay in the cache.
const BLOCKS: usize = 8;

/// An image that is written as a stream, and has what was written as a gzip file.
pub struct Stored<'s> {
    image: RawWriter<'s>,
    /// Where in the image the next blocks go.
    offset: u64,
    /// Whole blocks, and one that is being filled.
    blocks: Vec<u8>,
    /// Where in them the last one begins.
    last: usize,
    crc: Hasher,
    /// How many bytes were written, in the width that the format has for it.
    amount: u32,
    failed: Option<WriteError>,
}

impl<'s> Stored<'s> {
    /// Nothing written yet.
    pub fn new(image: RawWriter<'s>) -> Self {
        let mut stored = Self {
            image,
            offset: 0,
            blocks: Vec::with_capacity(HEADER.len() + BLOCKS * (BLOCK_HEADER + BLOCK)),
            last: 0,
            crc: Hasher::new(),
            amount: 0,
            failed: None,
        };
        stored.blocks.extend(HEADER);
        stored.begin_block();
        stored
    }

    /// The last block and the sums.
    ///
    /// # Errors
    ///
    /// When not all could be written to the image, now or before.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.end_block(true);
        self.blocks
            .extend(self.crc.clone().finalize().to_le_bytes());
        self.blocks.extend(self.amount.to_le_bytes());
        self.write_out();
        self.failed.map_or(Ok(()), Err)
    }

    fn begin_block(&mut self) {
        self.last = self.blocks.len();
        self.blocks.extend([0; BLOCK_HEADER]);
    }

    fn end_block(&mut self, is_last: bool) {
        let data = self.last + BLOCK_HEADER;
        let len = (self.blocks.len() - data) as u16;
        self.crc.update(&self.blocks[data..]);
        self.amount = self.amount.wrapping_add(len.into());
        let header = &mut self.blocks[self.last..data];
        header[0] = is_last.into();
        header[1..3].copy_from_slice(&len.to_le_bytes());
        header[3..5].copy_from_slice(&(!len).to_le_bytes());
    }

    /// A failure is told at the end; what follows it is written nowhere.
    fn write_out(&mut self) {
        if self.failed.is_none() {
            self.failed = self.image.write_all_at(&self.blocks, self.offset).err();
        }
        self.offset += self.blocks.len() as u64;
        self.blocks.clear();
    }
}

impl Write for Stored<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.blocks.len() - self.last == BLOCK_HEADER + BLOCK {
            self.end_block(false);
            if self.blocks.len() >= BLOCKS * (BLOCK_HEADER + BLOCK) {
                self.write_out();
            }
            self.begin_block();
        }
        let room = self.last + BLOCK_HEADER + BLOCK - self.blocks.len();
        let taken = bytes.len().min(room);
        self.blocks.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use commensal_images::{Existing, Image, ImageSet, ImagesDir};

    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        let whole = BLOCKS * BLOCK;
        for len in [0, 1, BLOCK, BLOCK + 1, whole, whole + 1, 3 * whole + 7] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let dir = tempfile::tempdir().unwrap();
            let sink = ImagesDir::create(dir.path(), Existing::ReplaceSet).unwrap();
            let set = ImageSet::new(sink);
            let image = Image::TmpfsDev(1);
            let mut stored = Stored::new(set.raw(image).unwrap());
            for some in bytes.chunks(10_000) {
                stored.write_all(some).unwrap();
            }
            stored.finish().unwrap();
            let file = File::open(dir.path().join(image.to_string())).unwrap();
            let mut found = Vec::new();
            let mut reader = flate2::read::MultiGzDecoder::new(file);
            reader.read_to_end(&mut found).unwrap();
            assert!(found == bytes, "{len} bytes");
        }
    }
}
