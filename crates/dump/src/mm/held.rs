//! Pages that are written when all have been read: to read them takes half of the time, and it is then that
//! the tree may run again.

use std::sync::{Arc, Mutex};

use commensal_images::RawWriter;
use commensal_sys::{Arena, Buffer};

use super::copy::lock;
use crate::Result;

/// Bytes that are held at the most: a dumper stays small, however large the tree.
const MOST: u64 = 40 << 20;

/// Bytes up to which nothing is held: they are written while tasks are asked, in hardly more time than that takes,
/// and room for them would have to be made and emptied, which takes longer than what it saves.
const LEAST: u64 = 2 << 20;

/// Bytes that a task may come to have until it stands still.
const GROWTH: u64 = 64 << 10;

/// What may be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fit {
    /// How many tasks have their pages held: those with the fewest.
    pub tasks: usize,
    /// The bytes of these pages, and of some more that they may come to have.
    pub bytes: u64,
}

/// What may be held of tasks with so many bytes each, in ascending order.
pub(super) fn fit(sizes: impl Iterator<Item = u64>) -> Fit {
    let mut bytes = 0;
    let fit = sizes.map_while(|task| {
        bytes += task + GROWTH;
        (bytes <= MOST).then_some(bytes)
    });
    let last = fit.enumerate().last().filter(|(_, bytes)| *bytes > LEAST);
    last.map_or_else(Fit::default, |(place, bytes)| Fit {
        tasks: place + 1,
        bytes,
    })
}

/// Room for pages, and those that are in it.
#[derive(Default)]
pub(super) struct Held<'s> {
    room: Mutex<Option<Arena>>,
    chunks: Mutex<Vec<Chunk<'s>>>,
}

/// Bytes that go into an image.
struct Chunk<'s> {
    image: Arc<RawWriter<'s>>,
    offset: u64,
    bytes: Buffer,
}

impl<'s> Held<'s> {
    /// Makes room for so many bytes. Without memory for that, all are written at once.
    pub fn make_room(&self, bytes: u64) {
        if bytes > 0
            && let Ok(arena) = Arena::new(bytes as usize)
        {
            *lock(&self.room) = Some(arena);
        }
    }

    /// Room for the bytes of one chunk, if there is some left.
    pub fn room(&self, bytes: usize) -> Option<Buffer> {
        lock(&self.room).as_ref()?.take(bytes)
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

    /// Writes all that is held, and gives the room back.
    pub fn write(&self) -> Result<()> {
        for chunk in lock(&self.chunks).drain(..) {
            chunk.image.write_all_at(&chunk.bytes, chunk.offset)?;
        }
        *lock(&self.room) = None;
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
            (&[LEAST - GROWTH], 0),
            (&[LEAST - GROWTH + 1], 1),
            (&[3 << 20, MOST - (3 << 20) - 2 * GROWTH], 2),
            (&[3 << 20, MOST - (3 << 20) - 2 * GROWTH + 1], 1),
            (&[MOST], 0),
        ] {
            let found = super::fit(sizes.iter().copied());
            assert_eq!(found.tasks, fit, "{sizes:?}");
            let held = Held::default();
            held.make_room(found.bytes);
            let bytes: u64 = sizes[..fit].iter().sum();
            assert_eq!(held.room(bytes as usize).is_some(), fit > 0);
            assert!(held.room(MOST as usize).is_none());
        }
    }
}
