//! An image set as a directory of files.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Access, AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;

use crate::{Image, ImageSink, SinkFile, WriteError};

/// The link to the images that a set builds on.
const PARENT: &str = "parent";

/// What to do about files that are in the directory already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse a directory that is not empty.
    Refuse,
    /// Take the place of the image set that is there, file by file, as CRIU does. Its inventory
    /// goes first, so that the old set cannot be taken for the new one.
    ReplaceSet,
    /// Replace only files that are written: for service images in a work directory.
    Keep,
}

/// A directory to write one image set into.
///
/// Images hold a program's memory, so only the owner can read them: a new directory has mode 0700
/// and every file 0600 ([`share_with_tree`](crate::share_with_tree) lets one user more read
/// them). No file is written through a link: each is made anew, with `O_EXCL`.
#[derive(Debug)]
pub struct ImagesDir {
    fd: OwnedFd,
    path: PathBuf,
    existing: Existing,
    written: Arc<AtomicU64>,
}

impl ImagesDir {
    /// Opens the directory `path`, or makes it when it is missing (its parent must be there).
    ///
    /// # Errors
    /// When it cannot be made, opened or written to, or holds something and `existing` is
    /// [`Existing::Refuse`].
    pub fn create(path: &Path, existing: Existing) -> Result<Self, WriteError> {
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(WriteError::io("mkdir", path.display(), errno)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| WriteError::io("open", path.display(), errno))?;
        Self::from_fd(fd, path, existing)
    }

    /// Uses a directory that is open already; `path` is its name in errors.
    ///
    /// # Errors
    /// As [`ImagesDir::create`].
    pub fn from_fd(fd: OwnedFd, path: &Path, existing: Existing) -> Result<Self, WriteError> {
        let dir = ImagesDir {
            fd,
            path: path.to_owned(),
            existing,
            written: Arc::default(),
        };
        rustix::fs::accessat(
            &dir.fd,
            ".",
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        )
        .map_err(|errno| WriteError::io("faccessat", path.display(), errno))?;
        match existing {
            Existing::Refuse => dir.check_empty()?,
            Existing::ReplaceSet => {
                dir.remove(&Image::Inventory.file_name())?;
                dir.remove(PARENT)?;
            }
            Existing::Keep => {}
        }
        Ok(dir)
    }

    /// The directory's name, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes were written into files of it so far, through this.
    pub fn bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Says on which images this set builds: a directory, relative to this one, that `parent`
    /// will lead to, as in CRIU's incremental dumps.
    ///
    /// # Errors
    /// When the link cannot be made.
    pub fn link_parent(&self, target: &Path) -> Result<(), WriteError> {
        rustix::fs::symlinkat(target, &self.fd, PARENT)
            .map_err(|errno| WriteError::io("symlinkat", self.label(PARENT), errno))
    }

    fn check_empty(&self) -> Result<(), WriteError> {
        let failed = |errno| WriteError::io("getdents64", self.path.display(), errno);
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                return Err(WriteError::NotEmpty {
                    dir: self.path.display().to_string(),
                });
            }
        }
        Ok(())
    }

    /// The name of a file in this directory, for errors.
    fn label(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn remove(&self, name: &str) -> Result<(), WriteError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(WriteError::io("unlinkat", self.label(name), errno)),
        }
    }

    fn create_file(&self, name: &str) -> Result<DirFile, WriteError> {
        if self.existing != Existing::Refuse {
            self.remove(name)?;
        }
        // O_EXCL refuses links of both kinds; reading too lets pages be mapped or read back.
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| WriteError::io("openat", self.label(name), errno))?;
        Ok(DirFile {
            file: Arc::new(fd.into()),
            label: self.label(name),
            written: Arc::clone(&self.written),
        })
    }
}

impl AsFd for ImagesDir {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl ImageSink for ImagesDir {
    fn create(&self, image: Image) -> Result<Box<dyn SinkFile>, WriteError> {
        Ok(Box::new(self.create_file(&image.file_name())?))
    }

    fn is_directory(&self) -> bool {
        true
    }

    fn commit(&self, image: Image, contents: &[u8]) -> Result<(), WriteError> {
        let name = image.file_name();
        let part = format!("{name}.part");
        let written = self.create_file(&part).and_then(|file| {
            file.write_all_at(contents, 0)?;
            rustix::fs::renameat(&self.fd, &part, &self.fd, &name)
                .map_err(|errno| WriteError::io("renameat", self.label(&name), errno))
        });
        if written.is_err() {
            // The first error is the one to tell; a part without its name does no harm.
            let _ = self.remove(&part);
        }
        written
    }
}

/// An image file in a directory.
struct DirFile {
    file: Arc<File>,
    label: String,
    written: Arc<AtomicU64>,
}

impl SinkFile for DirFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|source| WriteError::io("pwrite64", &self.label, source))?;
        self.written
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn as_file(&self) -> Option<&Arc<File>> {
        Some(&self.file)
    }
}
