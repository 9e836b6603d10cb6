//! Memory that is moved, grown, dropped and mapped anew while it is in use.

use std::ffi::c_void;
use std::fs::File;
use std::ptr;
use std::slice;

use rustix::mm::{
    Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap, mmap_anonymous, mremap, mremap_fixed,
    munmap,
};

use super::pattern::WORDS;

const PROT: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
const PAGE: usize = WORDS * 8;

/// A private mapping of whole pages.
#[derive(Debug)]
pub struct Movable {
    start: *mut c_void,
    pages: usize,
}

impl Movable {
    /// Anonymous memory.
    pub fn anonymous(pages: usize) -> Self {
        // SAFETY: a null address asks for a new mapping, which overlaps nothing.
        let start =
            unsafe { mmap_anonymous(ptr::null_mut(), pages * PAGE, PROT, MapFlags::PRIVATE) };
        Self {
            start: start.expect("anonymous memory"),
            pages,
        }
    }

    /// A file from its start; it must be that long, and nobody may change it.
    pub fn file(file: &File, pages: usize) -> Self {
        let (len, flags) = (pages * PAGE, MapFlags::PRIVATE);
        // SAFETY: a null address asks for a new mapping, which overlaps nothing.
        let start = unsafe { mmap(ptr::null_mut(), len, PROT, flags, file, 0) };
        Self {
            start: start.expect("a file mapping"),
            pages,
        }
    }

    /// How many pages.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// The contents.
    pub fn words(&self) -> &[u64] {
        // SAFETY: the mapping is readable, aligned to pages, and that long while we live.
        unsafe { slice::from_raw_parts(self.start.cast(), self.pages * WORDS) }
    }

    /// The contents of one page, to be changed.
    pub fn page_mut(&mut self, page: usize) -> &mut [u64] {
        // SAFETY: as in `words`, writable, and borrowed exclusively.
        let words =
            unsafe { slice::from_raw_parts_mut(self.start.cast::<u64>(), self.pages * WORDS) };
        &mut words[page * WORDS..][..WORDS]
    }

    /// Asks for transparent huge pages.
    pub fn advise_huge(&mut self) {
        // SAFETY: the advice changes no contents.
        let advised = unsafe { madvise(self.start, self.pages * PAGE, Advice::LinuxHugepage) };
        advised.expect("advice");
    }

    /// Moves it to another place, contents and all.
    pub fn move_elsewhere(&mut self) {
        let len = self.pages * PAGE;
        // The place of a new mapping, which the move takes.
        let place = Self::anonymous(self.pages);
        let to = place.start;
        std::mem::forget(place);
        let flags = MremapFlags::MAYMOVE;
        // SAFETY: both ranges are ours alone, and nothing borrows them.
        let moved = unsafe { mremap_fixed(self.start, len, len, flags, to) };
        self.start = moved.expect("a move");
    }

    /// Makes it longer by some pages of zeros, where it is or elsewhere.
    pub fn grow(&mut self, pages: usize) {
        let (old, new) = (self.pages * PAGE, (self.pages + pages) * PAGE);
        // SAFETY: the range is ours alone, and nothing borrows it.
        let grown = unsafe { mremap(self.start, old, new, MremapFlags::MAYMOVE) };
        self.start = grown.expect("growth");
        self.pages += pages;
    }

    /// Drops the contents of some pages: zeros, or what the file has, are there again.
    pub fn drop_contents(&mut self, first: usize, pages: usize) {
        assert!(first + pages <= self.pages);
        let start = self.start.wrapping_byte_add(first * PAGE);
        // SAFETY: the pages are within the mapping, and nothing borrows them.
        let dropped = unsafe { madvise(start, pages * PAGE, Advice::LinuxDontNeed) };
        dropped.expect("dropped pages");
    }

    /// Puts new anonymous memory in the place of some pages.
    pub fn map_anew(&mut self, first: usize, pages: usize) {
        assert!(first + pages <= self.pages);
        let start = self.start.wrapping_byte_add(first * PAGE);
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        // SAFETY: the pages are within the mapping, and nothing borrows them.
        let mapped = unsafe { mmap_anonymous(start, pages * PAGE, PROT, flags) };
        mapped.expect("a new mapping");
    }
}

impl Drop for Movable {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows it any more.
        let _ = unsafe { munmap(self.start, self.pages * PAGE) };
    }
}
