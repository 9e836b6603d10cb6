//! Shared memory: each inode's pages are dumped once, whoever maps it or has
//! it open.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use commensal_images::{Image, ImageSink};
use commensal_sys::process_vm::Batch;
use commensal_sys::{Errno, PAGE_SIZE, RemoteRange};
use rustix::fs::{Mode, OFlags, SeekFrom};

use super::copy::PageSource;
use super::pagemap::{PageStats, PageWriter, Run, flags};
use crate::{Error, Result};

/// The inodes of shared memory of a tree, each with its number in the images.
#[derive(Debug, Default)]
pub struct SharedMemory {
    shmids: HashMap<(u64, u64), u32>,
    taken: HashSet<u32>,
    files: Vec<(u32, File)>,
}

impl SharedMemory {
    /// The `shmid` of the file's inode, whose pages will be dumped; the same
    /// one each time it is asked for.
    ///
    /// It is the inode's number where that is free, as CRIU has it: inodes of
    /// different file systems may have the same.
    ///
    /// # Errors
    ///
    /// [`Error::Proc`] where the file, which may be open with `O_PATH` only,
    /// cannot be opened for reading.
    pub fn add(&mut self, file: impl AsFd) -> Result<u32> {
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        let failed = |errno: Errno| Error::Proc {
            path: path.clone(),
            source: errno.into(),
        };
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if let Some(shmid) = self.shmids.get(&(stat.st_dev, stat.st_ino)) {
            return Ok(*shmid);
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let readable = rustix::fs::open(&path, flags, Mode::empty()).map_err(failed)?;
        let shmid = self.free_shmid(stat.st_ino);
        self.shmids.insert((stat.st_dev, stat.st_ino), shmid);
        self.files.push((shmid, readable.into()));
        Ok(shmid)
    }

    /// Keeps numbers for [`SharedMemory::add_segment`].
    pub fn reserve(&mut self, shmids: impl IntoIterator<Item = u32>) {
        self.taken.extend(shmids);
    }

    /// Adds a segment of System V shared memory, whose number was reserved.
    pub fn add_segment(&mut self, shmid: u32, file: File) {
        self.files.push((shmid, file));
    }

    /// How many inodes there are.
    pub const fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn free_shmid(&mut self, wanted: u64) -> u32 {
        let mut shmid = u32::try_from(wanted).unwrap_or(1).max(1);
        while !self.taken.insert(shmid) {
            shmid = shmid.wrapping_add(1).max(1);
        }
        shmid
    }
}

impl<S: ImageSink> PageWriter<'_, S> {
    /// Writes the pagemap and the pages of every inode: those that were ever
    /// written to. The tree must be stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Proc`] where an inode cannot be read, [`Error::Image`] where
    /// the image cannot be written.
    pub fn shared(&self, memory: &SharedMemory) -> Result<PageStats> {
        let mut stats = PageStats::default();
        for (shmid, file) in &memory.files {
            stats += self.inode(*shmid, file)?;
        }
        Ok(stats)
    }

    fn inode(&self, shmid: u32, file: &File) -> Result<PageStats> {
        let source = FileMemory { shmid, file };
        let size = source.check(file.metadata().map(|data| data.len()))?;
        // As with CRIU, what is empty has no pagemap.
        if size == 0 {
            return Ok(PageStats::default());
        }
        let end = size.next_multiple_of(PAGE_SIZE);
        let image = Image::ShmemPagemap(shmid.into());
        let ((), written) = self.pages(image, &source, |add| {
            let mut from = 0;
            while let Some(range) = source.next_data(from, end)? {
                from = range.end().get();
                add(Run {
                    range,
                    flags: flags::PRESENT,
                })?;
            }
            Ok(())
        })?;
        Ok(PageStats {
            scanned: end / PAGE_SIZE,
            written,
            ..PageStats::default()
        })
    }
}

/// A file of memory; its offsets take the place of addresses.
struct FileMemory<'a> {
    shmid: u32,
    file: &'a File,
}

impl FileMemory<'_> {
    /// The next pages that are there, from `from` on; none behind the last.
    fn next_data(&self, from: u64, end: u64) -> Result<Option<RemoteRange>> {
        if from >= end {
            return Ok(None);
        }
        let data = match rustix::fs::seek(self.file, SeekFrom::Data(from)) {
            Ok(data) => data,
            Err(Errno::NXIO) => return Ok(None),
            // A file system without holes: hugetlbfs.
            Err(Errno::INVAL) => from,
            Err(errno) => return self.check(Err(errno.into())),
        };
        let hole = match rustix::fs::seek(self.file, SeekFrom::Hole(data)) {
            Err(Errno::INVAL) => Ok(end),
            hole => hole.map_err(Into::into),
        };
        let hole = self.check(hole)?.next_multiple_of(PAGE_SIZE).min(end);
        Ok(RemoteRange::new(data - data % PAGE_SIZE, hole).filter(|range| !range.is_empty()))
    }

    fn check<T>(&self, result: std::io::Result<T>) -> Result<T> {
        result.map_err(|source| Error::Proc {
            path: format!("shared memory with inode {}", self.shmid),
            source,
        })
    }
}

impl PageSource for FileMemory<'_> {
    fn read(&self, batch: &Batch, mut buf: &mut [u8]) -> Result<()> {
        for range in batch.ranges() {
            let (head, tail) = buf.split_at_mut(range.len() as usize);
            self.check(read_to_end(self.file, head, range.start().get()))?;
            buf = tail;
        }
        Ok(())
    }
}

/// Fills `buf`, with zeros behind the end of the file.
fn read_to_end(file: &File, mut buf: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !buf.is_empty() {
        match file.read_at(buf, offset) {
            Ok(0) => {
                buf.fill(0);
                break;
            }
            Ok(count) => {
                offset += count as u64;
                buf = &mut buf[count..];
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
