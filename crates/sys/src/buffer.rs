//! Memory for copies, which is there before there is any haste.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::{Errno, PAGE_SIZE};

/// The size of a huge page, in bytes.
const HUGE: usize = 2 << 20;

/// Memory that is given out piece by piece, each of whole pages: what is copied to the beginning of a page
/// takes half the time of what is copied a few bytes beside it.
#[derive(Debug)]
pub struct Arena {
    memory: Arc<Memory>,
    /// Bytes that were given out.
    used: AtomicUsize,
}

impl Arena {
    /// At least `len` bytes of zeros, in huge pages where the kernel has some to give, and all of them there
    /// already: no page faults.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(len: usize) -> Result<Self, Errno> {
        // One huge page is mostly there sooner than a quarter of it in small ones; but a virtual machine may
        // have given the memory of free ones away, and then it takes some milliseconds to get it back.
        let is_small = len < HUGE;
        let pages = match is_small {
            true => pages(len.max(1)),
            false => len.checked_next_multiple_of(HUGE),
        };
        let memory = Memory::map(pages.ok_or(Errno::NOMEM)?)?;
        if !is_small {
            // Where there are none, there are small ones.
            let _ = memory.advise(Advice::LinuxHugepage);
        }
        memory.advise(Advice::LinuxPopulateWrite)?;
        Ok(Self {
            memory: Arc::new(memory),
            used: AtomicUsize::new(0),
        })
    }

    /// The next `len` bytes, if there are as many.
    pub fn take(&self, len: usize) -> Option<Buffer> {
        let pages = pages(len)?;
        let next = |used: usize| {
            let end = used.checked_add(pages)?;
            (end <= self.memory.len).then_some(end)
        };
        let start = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .ok()?;
        Some(Buffer {
            memory: Arc::clone(&self.memory),
            start,
            len,
        })
    }
}

/// Bytes of an [`Arena`], of which nobody else has any.
#[derive(Debug)]
pub struct Buffer {
    memory: Arc<Memory>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// Bytes of an arena of their own.
    ///
    /// # Errors
    ///
    /// As [`Arena::new`].
    pub fn new(len: usize) -> Result<Self, Errno> {
        let arena = Arena::new(len)?;
        Ok(arena.take(len).expect("it has as many"))
    }

    fn first(&self) -> NonNull<u8> {
        // SAFETY: `Arena::take` gives out only what lies in the mapping.
        unsafe { self.memory.base.add(self.start) }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range lies in the mapping, which is readable and lives as long as `memory`; its bytes
        // have been zeros from the start. Nobody but this buffer has it: `Arena::take` gives out no byte twice.
        unsafe { slice::from_raw_parts(self.first().as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the mapping is writable, and `self` is borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.first().as_ptr(), self.len) }
    }
}

/// A private anonymous mapping.
#[derive(Debug)]
struct Memory {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to no thread, and its bytes are reached only through buffers, of which no two
// have the same.
unsafe impl Send for Memory {}

// SAFETY: as for `Send`.
unsafe impl Sync for Memory {}

impl Memory {
    fn map(len: usize) -> Result<Self, Errno> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let none = core::ptr::null_mut();
        // SAFETY: mmap(2) with a null hint and without MAP_FIXED picks a free range, so no memory in use is
        // replaced.
        let base = unsafe { mmap_anonymous(none, len, prot, MapFlags::PRIVATE) }?;
        let base = NonNull::new(base.cast()).ok_or(Errno::FAULT)?;
        Ok(Self { base, len })
    }

    fn advise(&self, advice: Advice) -> Result<(), Errno> {
        // SAFETY: the range is the mapping that `map` made; neither MADV_HUGEPAGE nor MADV_POPULATE_WRITE, all
        // that this is called with, changes what is in it.
        unsafe { madvise(self.base.as_ptr().cast(), self.len, advice) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that `map` made, unmapped only here, when no buffer has a part of it
        // any more.
        let done = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(done.is_ok(), "munmap(2) of a whole mapping cannot fail");
    }
}

/// So many bytes, rounded up to whole pages.
fn pages(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(PAGE_SIZE as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_zero_and_do_not_overlap() {
        let arena = Arena::new(3 << 12).unwrap();
        let mut first = arena.take(5000).unwrap();
        assert_eq!(first.as_ptr() as usize % 4096, 0);
        assert!(first.len() == 5000 && first.iter().all(|byte| *byte == 0));
        first.fill(1);
        let second = arena.take(4096).unwrap();
        assert!(second.iter().all(|byte| *byte == 0));
        assert!(arena.take(1).is_none());
        assert!(arena.take(usize::MAX).is_none());
        assert!(arena.take(0).is_some_and(|nothing| nothing.is_empty()));
        drop(arena);
        assert!(first.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn a_piece_goes_from_thread_to_thread() {
        let mut buffer = Buffer::new(10).unwrap();
        let buffer = std::thread::spawn(move || {
            buffer.fill(7);
            buffer
        });
        assert_eq!(*buffer.join().unwrap(), [7; 10]);
    }
}
