//! Pages that are written when all have been read: to read them takes half of the time, and it is then that
//! the tree may run again.

use std::sync::{Arc, Mutex, OnceLock};

use commensal_images::RawWriter;
use commensal_sys::{Arena, Buffer};

use super::copy::lock;
use crate::Result;

/// Bytes that are held at the most: a dumper stays small, however large the tree.
const MOST: u64 = 40 << 20;

/// Bytes that a task may come to have until it stands still.
const GROWTH: u64 = 64 << 10;

/// Room for pages, and those that are in it.
#[derive(Default)]
pub(super) struct Held<'s> {
    room: OnceLock<Arena>,
    chunks: Mutex<Vec<Chunk<'s>>>,
}

/// Bytes that go into an image.
struct Chunk<'s> {
    image: Arc<RawWriter<'s>>,
    offset: u64,
    bytes: Buffer,
}

impl<'s> Held<'s> {
    /// Makes room for the smallest of so many bytes each, in ascending order. Gives how many of them have some.
    pub fn make_room(&self, sizes: impl Iterator<Item = u64>) -> usize {
        let mut all = 0;
        let fit = sizes.map_while(|bytes| {
            all += bytes + GROWTH;
            (all <= MOST).then_some(all)
        });
        let Some((place, bytes)) = fit.enumerate().last() else {
            return 0;
        };
        // Without memory for that, all are written at once.
        let Ok(arena) = Arena::new(bytes as usize) else {
            return 0;
        };
        let _ = self.room.set(arena);
        place + 1
    }

    /// Room for the bytes of one chunk, if there is some left.
    pub fn room(&self, bytes: usize) -> Option<Buffer> {
        self.room.get()?.take(bytes)
    }

    /// Holds these bytes of an image.
    pub fn put(&self, image: &Arc<RawWriter<'s>>, offset: u64, bytes: Buffer) {
        let image = Arc::clone(image);
        lock(&self.chunks).push(Chunk {
            image,
            offset,
            bytes,
        });
    }

    /// Writes all that is held.
    pub fn write(&self) -> Result<()> {
        for chunk in lock(&self.chunks).drain(..) {
            chunk.image.write_all_at(&chunk.bytes, chunk.offset)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_the_smallest_and_no_more_than_may_be() {
        for (sizes, fit) in [
            (&[][..], 0),
            (&[1 << 20], 1),
            (&[1 << 20, MOST - (1 << 20) - 2 * GROWTH], 2),
            (&[1 << 20, MOST - (1 << 20) - 2 * GROWTH + 1], 1),
            (&[MOST], 0),
        ] {
            let held = Held::default();
            assert_eq!(held.make_room(sizes.iter().copied()), fit, "{sizes:?}");
            let bytes: u64 = sizes[..fit].iter().sum();
            assert_eq!(held.room(bytes as usize).is_some(), fit > 0);
            assert!(held.room(MOST as usize).is_none());
        }
    }
}
