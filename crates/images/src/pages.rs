//! Where the pages of a task are: its pagemap, read.

use std::io::Read;

use crate::messages::{PagemapEntry, PagemapHead};
use crate::{EntryReader, Image, ReadError};

/// Bytes in one page of a pages image.
pub const PAGE_SIZE: u64 = 4096;

/// Pagemap flag: the pages are in the image set that this one builds on (`PE_PARENT`).
pub const PE_PARENT: u32 = 1;
/// Pagemap flag: the pages may be fetched after the restore (`PE_LAZY`).
pub const PE_LAZY: u32 = 2;
/// Pagemap flag: the pages are in this set's pages image (`PE_PRESENT`).
pub const PE_PRESENT: u32 = 4;

/// Where the pages of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSource {
    /// In the pages image, from this byte on.
    Image(u64),
    /// In the parent image set.
    Parent,
    /// Nowhere: the page server of the dump has them.
    Lazy,
}

/// Pages that follow each other in memory and in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// Address of the first page; for shared memory, its offset in bytes.
    pub vaddr: u64,
    /// Number of pages.
    pub pages: u64,
    /// Where they are.
    pub source: PageSource,
}

impl PageRun {
    /// The address behind the last page.
    pub fn end(&self) -> u64 {
        self.vaddr + self.pages * PAGE_SIZE
    }
}

/// A pagemap image, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pagemap {
    /// The number in the name of the pages image.
    pub pages_id: u32,
    /// The runs, in the order of the image.
    pub runs: Vec<PageRun>,
}

impl Pagemap {
    /// Reads a pagemap image.
    ///
    /// # Errors
    /// When it is not one, or a run is not aligned to pages or leaves the address space.
    pub fn read(image: Image, input: impl Read) -> Result<Self, ReadError> {
        let mut reader = EntryReader::new(image, input)?;
        let pages_id = reader.required::<PagemapHead>()?.pages_id;
        let mut runs = Vec::new();
        let mut offset = 0;
        for entry in reader.all::<PagemapEntry>()? {
            runs.push(run(image, &entry, &mut offset)?);
        }
        Ok(Pagemap { pages_id, runs })
    }

    /// Where the page at `vaddr` is, an address within it; `None` when the pagemap leaves it out.
    pub fn find(&self, vaddr: u64) -> Option<PageSource> {
        let run = self
            .runs
            .iter()
            .find(|run| (run.vaddr..run.end()).contains(&vaddr))?;
        let skipped = (vaddr - run.vaddr) / PAGE_SIZE * PAGE_SIZE;
        Some(match run.source {
            PageSource::Image(offset) => PageSource::Image(offset + skipped),
            other => other,
        })
    }
}

/// One run; `offset` is where the next page of the pages image is.
fn run(image: Image, entry: &PagemapEntry, offset: &mut u64) -> Result<PageRun, ReadError> {
    let pages = entry.nr_pages.unwrap_or(entry.compat_nr_pages.into());
    let vaddr = entry.vaddr;
    let wrong = |why| ReadError::Pagemap {
        file: image.to_string(),
        vaddr,
        pages,
        why,
    };
    let len = pages
        .checked_mul(PAGE_SIZE)
        .ok_or_else(|| wrong("more bytes than 64 bits count"))?;
    if !vaddr.is_multiple_of(PAGE_SIZE) {
        return Err(wrong("the address is within a page"));
    }
    if vaddr.checked_add(len).is_none() {
        return Err(wrong("the run goes past the end of the address space"));
    }
    let source = if entry.in_parent() || entry.flags() & PE_PARENT != 0 {
        PageSource::Parent
    } else if entry.flags.is_none_or(|flags| flags & PE_PRESENT != 0) {
        let start = *offset;
        *offset = start
            .checked_add(len)
            .ok_or_else(|| wrong("too many pages in the image"))?;
        PageSource::Image(start)
    } else if entry.flags() & PE_LAZY != 0 {
        PageSource::Lazy
    } else {
        return Err(wrong("neither in the image nor in the parent nor lazy"));
    };
    Ok(PageRun {
        vaddr,
        pages,
        source,
    })
}
