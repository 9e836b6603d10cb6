//! Ghosts: files without any name left, whose contents go into the images.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use commensal_images::messages::{GhostChunkEntry, GhostFileEntry, RemapType, Timeval};
use commensal_images::{EntryWriter, Image};
use commensal_sys::Errno;
use rustix::fs::{FileType, SeekFrom, major, minor};

use super::remap::quoted;
use super::{FilesDump, OpenFile};
use crate::Result;

/// A smaller file is written whole, a larger one as the extents that hold data.
const CHUNKS_FROM: u64 = 3 * 4096;

/// Bytes that are copied at once.
const BUFFER: usize = 1 << 20;

/// The unit of `st_blocks`, in bytes.
const BLOCK: u64 = 512;

/// The ghosts of a tree, by device and inode.
#[derive(Debug, Default)]
pub struct Ghosts {
    written: HashMap<(u64, u64), u32>,
}

/// Writes a file without a name, once for all that have it open.
///
/// # Errors
///
/// A refusal where it is larger than the limit.
pub fn dump(file: &OpenFile, name: &[u8], id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let key = (file.stat.dev, file.stat.ino);
    let ghost = match dump.remaps.ghosts.written.get(&key) {
        Some(ghost) => *ghost,
        None => {
            refuse_socket(file, name)?;
            refuse_too_large(file, name, dump.options.ghost_limit)?;
            let ghost = dump.remaps.ghosts.written.len() as u32 + 1;
            if dump.writes() {
                write(file, ghost, dump)?;
            }
            dump.remaps.ghosts.written.insert(key, ghost);
            ghost
        }
    };
    dump.remaps.write(id, ghost, RemapType::Ghost)
}

/// Only a socket makes such a file, by its bind(2).
fn refuse_socket(file: &OpenFile, name: &[u8]) -> Result<()> {
    if file.stat.file_type() != FileType::Socket {
        return Ok(());
    }
    Err(file.refuse(
        format!(
            "an O_PATH descriptor of the deleted socket {}",
            quoted(name)
        ),
        "the restore would make a regular file in its place, and fail on that",
        "close it before the dump",
    ))
}

fn refuse_too_large(file: &OpenFile, name: &[u8], limit: u64) -> Result<()> {
    let size = file.stat.blocks * BLOCK;
    if size <= limit {
        return Ok(());
    }
    Err(file.refuse(
        format!(
            "the deleted file {} with {size} bytes on disk",
            quoted(name)
        ),
        format!("its contents would go into the images, and the limit for that is {limit} bytes"),
        format!("raise the limit: --ghost-limit {size}"),
    ))
}

fn write(file: &OpenFile, ghost: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let stat = &file.stat;
    let regular = stat.file_type() == FileType::RegularFile;
    let (uid, gid) = file.owned_by("a deleted file", &dump.users)?;
    let chunks = regular && stat.size >= CHUNKS_FROM;
    let entry = GhostFileEntry {
        uid,
        gid,
        mode: stat.mode,
        dev: Some(kernel_dev(stat.dev)),
        ino: Some(stat.ino),
        rdev: matches!(
            stat.file_type(),
            FileType::CharacterDevice | FileType::BlockDevice
        )
        .then_some(stat.rdev as u32),
        atim: Some(timeval(stat.atime)),
        mtim: Some(timeval(stat.mtime)),
        chunks: chunks.then_some(true),
        size: chunks.then_some(stat.size),
        symlnk_target: symlink_target(file)?,
    };
    let mut image = dump.images.entries(Image::GhostFile(ghost))?;
    image.entry(&entry)?;
    if regular {
        let contents = match dump.locks.lease_on(file)? {
            true => Contents::behind_lease(file)?,
            false => Contents::open(file)?,
        };
        if chunks {
            contents.copy_extents(stat.size, &mut image)?;
        } else {
            contents.copy(0, stat.size, &mut image)?;
        }
    }
    Ok(image.finish()?)
}

/// The contents of a ghost, read without moving the offset of the task.
struct Contents<'f> {
    file: &'f OpenFile,
    reader: File,
    /// Whether the reader has an offset of its own, which looking for holes moves.
    own_offset: bool,
}

impl<'f> Contents<'f> {
    /// The task may have it open for writing only, so it is opened anew.
    fn open(file: &'f OpenFile) -> Result<Self> {
        let reader = file.reopen()?.into();
        Ok(Self {
            file,
            reader,
            own_offset: true,
        })
    }

    /// Opening a file breaks the leases on it, so the task's own description is read.
    fn behind_lease(file: &'f OpenFile) -> Result<Self> {
        if file.is_path || file.is_path_only() || !file.is_readable() {
            return Err(file.refuse(
                "a deleted file with a lease, open for writing only",
                "it would have to be opened to be read, and that breaks the lease",
                "give the lease up before the dump",
            ));
        }
        let reader = file
            .ask("dup", |fd| rustix::io::fcntl_dupfd_cloexec(fd, 0))?
            .into();
        Ok(Self {
            file,
            reader,
            own_offset: false,
        })
    }

    /// Writes the extents that hold data; what lies between them stays a hole.
    fn copy_extents(&self, size: u64, image: &mut EntryWriter<'_>) -> Result<()> {
        let mut from = 0;
        while let Some((start, end)) = self.next_extent(from, size)? {
            image.entry(&GhostChunkEntry {
                len: end - start,
                off: start,
            })?;
            self.copy(start, end - start, image)?;
            from = end;
        }
        Ok(())
    }

    /// The next extent with data at or behind `from`; the whole rest where the file system
    /// cannot tell.
    fn next_extent(&self, from: u64, size: u64) -> Result<Option<(u64, u64)>> {
        if from >= size {
            return Ok(None);
        }
        if !self.own_offset {
            return Ok(Some((from, size)));
        }
        let start = match self.seek(SeekFrom::Data(from)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((from, size))),
            Err(errno) => return Err(self.file.error("lseek", errno)),
        };
        let end = self
            .seek(SeekFrom::Hole(start))
            .map_err(|errno| self.file.error("lseek", errno))?;
        Ok((start < size).then_some((start, end.min(size))))
    }

    fn seek(&self, to: SeekFrom) -> Result<u64, Errno> {
        rustix::fs::seek(self.reader.as_fd(), to)
    }

    /// Writes `len` bytes from `offset`.
    fn copy(&self, offset: u64, len: u64, image: &mut EntryWriter<'_>) -> Result<()> {
        let mut buffer = vec![0; BUFFER.min(len as usize)];
        let (mut offset, end) = (offset, offset + len);
        while offset < end {
            let want = buffer.len().min((end - offset) as usize);
            self.reader
                .read_exact_at(&mut buffer[..want], offset)
                .map_err(|error| self.file.error("pread64", errno_of(&error)))?;
            image.payload(&buffer[..want])?;
            offset += want as u64;
        }
        Ok(())
    }
}

/// A file that got shorter while it was read has no errno.
fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::NODATA)
}

/// The target of a symbolic link, which can only be open with `O_PATH | O_NOFOLLOW`.
fn symlink_target(file: &OpenFile) -> Result<Option<Vec<u8>>> {
    if file.stat.file_type() != FileType::Symlink {
        return Ok(None);
    }
    let target = file.ask("readlinkat", |fd| {
        rustix::fs::readlinkat(fd, c"", Vec::new())
    })?;
    Ok(Some(target.into_bytes()))
}

/// A device number as the kernel keeps it: 12 bits major, 20 bits minor.
fn kernel_dev(dev: u64) -> u32 {
    major(dev) << 20 | minor(dev)
}

fn timeval((seconds, nanoseconds): (i64, u32)) -> Timeval {
    Timeval {
        tv_sec: seconds as u64,
        tv_usec: u64::from(nanoseconds / 1000),
    }
}
