//! A pagemap and the pages it lists: two images, written together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use commensal_images::messages::{PagemapEntry, PagemapHead};
use commensal_images::{EntryWriter, Image, ImageSet, ImageSink, RawWriter};
use commensal_sys::{PAGE_SIZE, RemoteRange};

use super::LazyPages;
use super::copy::{Buffers, Copy, PageSource, lock};
use super::held::{self, Held};
use super::page_server::PageServer;
use super::reserve::{Reserved, Room};
use crate::pidns::VirtualId;
use crate::{Cancel, Result};

/// CRIU's `PE_*` bits of `PagemapEntry.flags`.
pub(super) mod flags {
    /// The pages are in the images that this set builds on.
    pub const PARENT: u32 = 1 << 0;
    /// The pages may be fetched after the task runs again.
    pub const LAZY: u32 = 1 << 1;
    /// The pages are in the pages image.
    pub const PRESENT: u32 = 1 << 2;
}

/// What writing pages amounted to, in pages of 4096 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageStats {
    /// Pages of the mappings or files looked at, whether there or not.
    pub scanned: u64,
    /// Pages written to the image.
    pub written: u64,
    /// Pages that the images have which this set builds on.
    pub in_parent: u64,
    /// Pages that stay in the task, to be fetched later.
    pub lazy: u64,
}

impl core::ops::AddAssign for PageStats {
    fn add_assign(&mut self, other: Self) {
        self.scanned += other.scanned;
        self.written += other.written;
        self.in_parent += other.in_parent;
        self.lazy += other.lazy;
    }
}

/// Pages that follow each other and have the same flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub range: RemoteRange,
    pub flags: u32,
}

impl Run {
    /// Whether the pages are in the pages image.
    pub const fn is_present(&self) -> bool {
        self.flags & flags::PRESENT != 0
    }

    /// Makes `next` a part of this one, where it follows with the same flags.
    pub fn joins(&mut self, next: Self) -> bool {
        let follows = self.flags == next.flags && self.range.end() == next.range.start();
        if follows {
            let (start, end) = (self.range.start().get(), next.range.end().get());
            self.range = RemoteRange::new(start, end).expect("one behind the other");
        }
        follows
    }
}

/// Writes the pages of an image set. May be used by several threads at once.
pub struct PageWriter<'s, S> {
    images: &'s ImageSet<S>,
    next_pages_id: AtomicU32,
    workers: usize,
    cancel: Cancel,
    written: &'s (dyn Fn(u64) + Sync),
    buffers: Arc<Buffers>,
    reserved: Mutex<HashMap<Image, Reserved<'s>>>,
    server: Option<&'s PageServer>,
    /// What stays in the tasks, if anything.
    pub(super) lazy: Option<&'s LazyPages>,
    held: Held<'s>,
    /// How many bytes it is to have room for.
    held_bytes: AtomicU64,
}

impl<'s, S: ImageSink> PageWriter<'s, S> {
    /// A writer into this set, with one thread, that of the caller.
    pub fn new(images: &'s ImageSet<S>) -> Self {
        Self {
            images,
            next_pages_id: AtomicU32::new(1),
            workers: 1,
            cancel: Cancel::default(),
            written: &|_| (),
            buffers: Arc::default(),
            reserved: Mutex::default(),
            server: None,
            lazy: None,
            held: Held::default(),
            held_bytes: AtomicU64::new(0),
        }
    }

    /// With a server that takes the pages and their pagemaps instead of the
    /// set, if there is one.
    #[must_use]
    pub fn server(self, server: Option<&'s PageServer>) -> Self {
        Self { server, ..self }
    }

    /// With pages that stay in the tasks and are fetched later, if there are to be any.
    #[must_use]
    pub fn lazy(self, lazy: Option<&'s LazyPages>) -> Self {
        Self { lazy, ..self }
    }

    /// With these buffers, which may have been made before.
    #[must_use]
    pub fn buffers(self, buffers: Arc<Buffers>) -> Self {
        Self { buffers, ..self }
    }

    /// With this many threads that copy, next to the caller's, which scans;
    /// one is the caller's own.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// With a request to give up that is looked at every quarter MiB.
    #[must_use]
    pub fn cancel(self, cancel: Cancel) -> Self {
        Self { cancel, ..self }
    }

    /// With a function that is called with each count of bytes that was
    /// written, from any of the threads.
    #[must_use]
    pub fn progress(self, written: &'s (dyn Fn(u64) + Sync)) -> Self {
        Self { written, ..self }
    }

    /// Begins the pages image of each pagemap, for so many bytes; gives the room in their files, which is still to be
    /// made. The smallest get room in memory, too, if they come to much ([`PageWriter::make_room`]).
    ///
    /// # Errors
    ///
    /// [`crate::Error::Image`] where an image cannot be made.
    pub fn reserve(&self, mut sizes: Vec<(VirtualId, u64)>) -> Result<Vec<Room>> {
        if self.server.is_some() {
            return Ok(Vec::new());
        }
        sizes.sort_by_key(|(_, bytes)| *bytes);
        let held = held::fit(sizes.iter().map(|(_, bytes)| *bytes));
        self.held_bytes.store(held.bytes, Ordering::Relaxed);
        let mut rooms = Vec::new();
        for (place, (id, bytes)) in sizes.into_iter().enumerate() {
            let image = self.pages_image()?;
            let (reserved, room) = Reserved::new(image, bytes, place < held.tasks);
            lock(&self.reserved).insert(id.pagemap(), reserved);
            rooms.extend(room);
        }
        Ok(rooms)
    }

    /// Makes the room in memory, for what is written by [`PageWriter::write_held`].
    pub fn make_room(&self) {
        self.held.make_room(self.held_bytes.load(Ordering::Relaxed));
    }

    /// Whether what is held goes into files, which nobody has to read meanwhile.
    pub fn is_into_directory(&self) -> bool {
        self.images.is_directory()
    }

    /// Writes what is held of the pages, and then of other images, where they go into files: whoever else writes them
    /// has fewer to write.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Image`] where it cannot be written.
    pub fn write_held(&self) -> Result<()> {
        self.held.write()?;
        match self.is_into_directory() {
            true => Ok(self.images.flush()?),
            false => Ok(()),
        }
    }

    /// Writes the pagemap `image` and its pages: the runs that `runs` gives to
    /// its argument, in ascending order. Gives how many pages were copied, too.
    pub(super) fn pages<T>(
        &self,
        image: Image,
        source: &dyn PageSource,
        runs: impl FnOnce(&mut dyn FnMut(Run) -> Result<()>) -> Result<T>,
    ) -> Result<(T, u64)> {
        if let Some(server) = self.server {
            let mut pagemap = server.pagemap(image, source, &self.cancel)?;
            let result = runs(&mut |run| pagemap.add(run))?;
            let count = pagemap.finish()?;
            (self.written)(count * PAGE_SIZE);
            return Ok((result, count));
        }
        let reserved = lock(&self.reserved).remove(&image);
        let mut pages = match reserved {
            Some(reserved) => reserved,
            None => Reserved::without_room(self.pages_image()?, false),
        };
        let mut pagemap = Pagemap::new(self.images.entries(image)?, pages.id)?;
        let copy = Copy {
            source,
            image: &pages.image,
            held: pages.is_held.then_some(&self.held),
            buffers: &self.buffers,
            cancel: &self.cancel,
            written: self.written,
        };
        let result = copy.run(
            self.workers,
            |add: &mut dyn FnMut(RemoteRange) -> Result<()>| {
                runs(&mut |run| {
                    pagemap.add(run)?;
                    match run.is_present() {
                        true => add(run.range),
                        false => Ok(()),
                    }
                })
            },
        )?;
        let count = pagemap.finish()?;
        pages.trim(count * PAGE_SIZE)?;
        Ok((result, count))
    }

    fn pages_image(&self) -> Result<(u32, RawWriter<'s>)> {
        let id = self.next_pages_id.fetch_add(1, Ordering::Relaxed);
        Ok((id, self.images.raw(Image::Pages(id))?))
    }
}

/// The pagemap being written; neighbouring runs become one entry.
struct Pagemap<'s> {
    writer: EntryWriter<'s>,
    last: Option<Run>,
    /// How many are in the pages image.
    pages: u64,
}

impl<'s> Pagemap<'s> {
    fn new(mut writer: EntryWriter<'s>, pages_id: u32) -> Result<Self> {
        writer.entry(&PagemapHead { pages_id })?;
        Ok(Self {
            writer,
            last: None,
            pages: 0,
        })
    }

    fn add(&mut self, run: Run) -> Result<()> {
        if run.is_present() {
            self.pages += run.range.len() / PAGE_SIZE;
        }
        if self.last.as_mut().is_some_and(|last| last.joins(run)) {
            return Ok(());
        }
        self.flush()?;
        self.last = Some(run);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(run) = self.last.take() {
            self.writer.entry(&PagemapEntry {
                vaddr: run.range.start().get(),
                // What readers older than `nr_pages` look at; CRIU 4.2 writes 0.
                compat_nr_pages: 0,
                in_parent: None,
                flags: Some(run.flags),
                nr_pages: Some(run.range.len() / PAGE_SIZE),
            })?;
        }
        Ok(())
    }

    /// How many pages are in the pages image.
    fn finish(mut self) -> Result<u64> {
        self.flush()?;
        self.writer.finish()?;
        Ok(self.pages)
    }
}
