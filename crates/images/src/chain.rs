//! The pages of a task in an image set, and in those that the set builds on.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::io::Errno;

use crate::pages::{PageRun, PageSource, Pagemap};
use crate::{Image, ReadError, SavedImages};

/// The most image sets that may build on each other.
const MOST: usize = 1024;

/// The pages that a pagemap lists, with those that are in the image sets to which the links
/// `parent` lead.
#[derive(Debug)]
pub struct PageChain {
    /// The set itself, and each one's parent behind it.
    layers: Vec<Layer>,
}

/// The pages in one image set.
#[derive(Debug)]
pub(crate) struct Layer {
    /// In ascending order.
    runs: Vec<PageRun>,
    pages: File,
    image: Image,
    /// The name of the pages image, for errors.
    label: String,
}

impl PageChain {
    /// Opens a pagemap of the image set in `dir`, and that of each set before; `None` when the
    /// set has none. As in CRIU, a set without the pagemap is where its chain ends.
    ///
    /// # Errors
    /// When a directory or an image cannot be read, or sets build on each other without an end.
    pub fn open(dir: &Path, image: Image) -> Result<Option<Self>, ReadError> {
        let (mut layers, mut dir) = (Vec::new(), dir.to_owned());
        while layers.is_empty() || dir.is_symlink() {
            let Some(layer) = Layer::open(&dir, image)? else {
                break;
            };
            layers.push(layer);
            if layers.len() > MOST {
                return Err(ReadError::io("open", dir.display(), Errno::LOOP));
            }
            dir.push("parent");
        }
        Ok((!layers.is_empty()).then_some(Self { layers }))
    }

    /// Fills the start of `buf` with pages from `vaddr` on, as many as lie in one piece. Gives
    /// how many bytes that are, and whether the pages are there; where they are not, `buf` is
    /// left alone. Both are whole pages if `vaddr` and the length of `buf` are.
    ///
    /// # Errors
    /// When a pages image cannot be read, or is too short.
    pub fn read(&self, vaddr: u64, buf: &mut [u8]) -> Result<(usize, bool), ReadError> {
        let end = vaddr.saturating_add(buf.len() as u64);
        let (place, end) = self.locate(vaddr, end);
        let len = (end - vaddr) as usize;
        if let Some((layer, offset)) = place {
            let read = layer.pages.read_exact_at(&mut buf[..len], offset);
            read.map_err(|error| ReadError::io("pread", &layer.label, error))?;
        }
        Ok((len, place.is_some()))
    }

    /// The set itself, and each one's parent behind it.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Where the page at `vaddr` is, and up to where, at most `end`, the others are behind it.
    fn locate(&self, vaddr: u64, mut end: u64) -> (Option<(&Layer, u64)>, u64) {
        for layer in &self.layers {
            let index = layer.runs.partition_point(|run| run.end() <= vaddr);
            let Some(run) = layer.runs.get(index) else {
                return (None, end);
            };
            if run.vaddr > vaddr {
                return (None, end.min(run.vaddr));
            }
            end = end.min(run.end());
            match run.source {
                PageSource::Image(offset) => {
                    return (Some((layer, offset + (vaddr - run.vaddr))), end);
                }
                PageSource::Parent => {}
                PageSource::Lazy => return (None, end),
            }
        }
        (None, end)
    }
}

impl Layer {
    /// What its pagemap lists, in ascending order.
    pub(crate) fn runs(&self) -> &[PageRun] {
        &self.runs
    }

    /// Its pages image.
    pub(crate) fn image(&self) -> Image {
        self.image
    }

    fn open(dir: &Path, image: Image) -> Result<Option<Self>, ReadError> {
        let images = SavedImages::open(dir)?;
        let Some(pagemap) = images.file(image)? else {
            return Ok(None);
        };
        let Pagemap { pages_id, runs } = Pagemap::read(image, pagemap)?;
        if let Some(pair) = runs.windows(2).find(|pair| pair[0].end() > pair[1].vaddr) {
            return Err(ReadError::Pagemap {
                file: images.label(image),
                vaddr: pair[1].vaddr,
                pages: pair[1].pages,
                why: "it starts before the end of the run before",
            });
        }
        let pages = Image::Pages(pages_id);
        let label = images.label(pages);
        match images.raw(pages)? {
            Some(file) => Ok(Some(Self {
                runs,
                pages: file,
                image: pages,
                label,
            })),
            None => Err(ReadError::io("openat", label, Errno::NOENT)),
        }
    }
}
