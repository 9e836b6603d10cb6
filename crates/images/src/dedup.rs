//! Giving back the pages of earlier image sets that a later one has, too (`criu dedup`).

use std::fs::File;
use std::path::Path;

use rustix::fs::FallocateFlags;

use crate::chain::{Layer, PageChain};
use crate::pages::PageSource;
use crate::{Image, ReadError, SavedImages};

/// Punches holes into the pages images of the sets that the one in `dir` builds on, where it has
/// the pages itself. Gives how many bytes that were. No restore of `dir` needs them; one of an
/// earlier set does, and must not follow.
///
/// # Errors
/// When an image cannot be read, or its file system has no holes.
pub fn dedup(dir: &Path) -> Result<u64, ReadError> {
    let mut freed = 0;
    for image in SavedImages::open(dir)?.list()? {
        if let Image::Pagemap(_) | Image::ShmemPagemap(_) = image
            && let Some(chain) = PageChain::open(dir, image)?
        {
            freed += chain.punch(dir)?;
        }
    }
    Ok(freed)
}

impl PageChain {
    fn punch(&self, dir: &Path) -> Result<u64, ReadError> {
        let Some((newest, older)) = self.layers().split_first() else {
            return Ok(0);
        };
        let mut dir = dir.to_owned();
        let mut files = Vec::new();
        for layer in older {
            dir.push("parent");
            files.push((layer, SavedImages::open(&dir)?.raw_to_punch(layer.image())?));
        }
        let mut freed = 0;
        for run in newest.runs() {
            if let PageSource::Image(_) = run.source {
                freed += punch(&files, run.vaddr, run.end())?;
            }
        }
        Ok(freed)
    }
}

/// Punches the pages from `start` to `end` out of the first file, and out of those behind it
/// where the first set lists them.
fn punch(files: &[(&Layer, File)], start: u64, end: u64) -> Result<u64, ReadError> {
    let Some(((layer, file), behind)) = files.split_first() else {
        return Ok(0);
    };
    let first = layer.runs().partition_point(|run| run.end() <= start);
    let mut freed = 0;
    for run in layer.runs()[first..]
        .iter()
        .take_while(|run| run.vaddr < end)
    {
        let (start, end) = (run.vaddr.max(start), run.end().min(end));
        if let PageSource::Image(offset) = run.source {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let offset = offset + (start - run.vaddr);
            rustix::fs::fallocate(file, flags, offset, end - start)
                .map_err(|errno| ReadError::io("fallocate", layer.image(), errno))?;
            freed += end - start;
        }
        freed += punch(behind, start, end)?;
    }
    Ok(freed)
}
