//! Pages shared with the target, or with whoever has a file open.
//!
//! They can change at any instant, so no reference into them is
//! ever made: every access copies bytes with volatile loads and stores, and
//! what was read is checked like any input.

use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use std::os::fd::AsFd;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use crate::Errno;

/// A shared mapping of ours of pages that others may have, too.
#[derive(Debug)]
pub struct SharedPages {
    base: NonNull<u8>,
    len: usize,
}

/// An access outside the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset:#x} + {len:#x} is outside the shared pages")]
pub struct OutOfBounds {
    /// Where the access began, in bytes.
    pub offset: usize,
    /// Its length in bytes.
    pub len: usize,
}

impl SharedPages {
    /// Maps the first `len` bytes of `file`, readable and writable.
    ///
    /// # Errors
    ///
    /// mmap(2)'s.
    pub fn map(file: impl AsFd, len: usize) -> Result<Self, Errno> {
        let flags = MapFlags::SHARED;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: mmap(2) with a null hint and without MAP_FIXED picks a free
        // range, so no memory in use is replaced.
        let base = unsafe { mmap(core::ptr::null_mut(), len, prot, flags, file, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(Errno::FAULT)?;
        Ok(Self { base, len })
    }

    /// Maps `len` zero bytes, readable and writable, which children share (fork(2)).
    ///
    /// # Errors
    ///
    /// mmap(2)'s.
    pub fn anonymous(len: usize) -> Result<Self, Errno> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as in `map`.
        let base = unsafe { mmap_anonymous(core::ptr::null_mut(), len, prot, MapFlags::SHARED) }?;
        let base = NonNull::new(base.cast()).ok_or(Errno::FAULT)?;
        Ok(Self { base, len })
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies bytes out of the pages at `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where the range leaves the mapping.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), OutOfBounds> {
        let start = self.check(offset, out.len())?;
        for (i, byte) in out.iter_mut().enumerate() {
            let src = start.wrapping_add(i);
            // SAFETY: `check` proved that all of the range lies in the mapping,
            // which lives as long as `self`. A volatile load tolerates that the
            // target writes there meanwhile; a u8 has no invalid value.
            *byte = unsafe { src.read_volatile() };
        }
        Ok(())
    }

    /// Copies `bytes` into the pages at `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where the range leaves the mapping.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let start = self.check(offset, bytes.len())?;
        for (i, &byte) in bytes.iter().enumerate() {
            let dst = start.wrapping_add(i);
            // SAFETY: as in `read`; nothing of ours borrows the pages.
            unsafe { dst.write_volatile(byte) };
        }
        Ok(())
    }

    /// The word at `offset`, read as a whole, and before everything that is read later.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] where it leaves the mapping, or `offset` is no multiple of 4.
    pub fn load(&self, offset: usize) -> Result<u32, OutOfBounds> {
        let word = self.check_word(offset)?;
        // SAFETY: `check_word` proved that the word is aligned and lies in the mapping, which
        // outlives this use of it; who shares the pages writes it by atomic stores, too.
        let word = unsafe { AtomicU32::from_ptr(word) };
        Ok(word.load(Ordering::Acquire))
    }

    /// Writes the word at `offset` as a whole, and after everything that was written before.
    ///
    /// # Errors
    ///
    /// As [`SharedPages::load`].
    pub fn store(&self, offset: usize, value: u32) -> Result<(), OutOfBounds> {
        let word = self.check_word(offset)?;
        // SAFETY: as in `load`.
        let word = unsafe { AtomicU32::from_ptr(word) };
        word.store(value, Ordering::Release);
        Ok(())
    }

    /// The address of the word at `offset`: the mapping begins on a page.
    fn check_word(&self, offset: usize) -> Result<*mut u32, OutOfBounds> {
        let start = self.check(offset, size_of::<u32>())?;
        match offset.is_multiple_of(size_of::<u32>()) {
            true => Ok(start.cast()),
            false => Err(OutOfBounds {
                offset,
                len: size_of::<u32>(),
            }),
        }
    }

    /// The address of `offset`, if `len` bytes from there are in the mapping.
    fn check(&self, offset: usize, len: usize) -> Result<*mut u8, OutOfBounds> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(self.base.as_ptr().wrapping_add(offset)),
            _ => Err(OutOfBounds { offset, len }),
        }
    }
}

impl Drop for SharedPages {
    fn drop(&mut self) {
        let base: *mut c_void = self.base.as_ptr().cast();
        // SAFETY: the range is the mapping that `map` made, unmapped only here;
        // no reference into it exists.
        let done = unsafe { munmap(base, self.len) };
        debug_assert!(done.is_ok(), "munmap(2) of a whole mapping cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    #[test]
    fn bytes_come_back_and_bounds_hold() {
        let file = memfd_create("shared-pages", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 4096).unwrap();
        let pages = SharedPages::map(&file, 4096).unwrap();
        pages.write(4090, &[1, 2, 3, 4, 5, 6]).unwrap();
        let mut back = [0; 6];
        rustix::io::pread(&file, &mut back, 4090).unwrap();
        assert_eq!(back, [1, 2, 3, 4, 5, 6]);
        pages.read(4090, &mut back).unwrap();
        assert_eq!(back, [1, 2, 3, 4, 5, 6]);
        assert!(pages.read(4091, &mut back).is_err());
        assert!(pages.write(usize::MAX, &back).is_err());
    }

    #[test]
    fn a_word_is_aligned_and_within() {
        let pages = SharedPages::anonymous(4096).unwrap();
        pages.store(4092, 0x0102_0304).unwrap();
        assert_eq!(pages.load(4092), Ok(0x0102_0304));
        assert!(pages.load(4090).is_err());
        assert!(pages.store(4096, 1).is_err());
    }
}
