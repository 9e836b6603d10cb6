//! Reading an image set from its directory.

use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use prost::Message;
use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::framing::Framing;
use crate::{EntryReader, Image, ReadError};

/// An image set in a directory, to be read.
#[derive(Debug)]
pub struct SavedImages {
    fd: OwnedFd,
    path: PathBuf,
}

impl SavedImages {
    /// Opens the directory `path`.
    ///
    /// # Errors
    /// When it is not a directory or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| ReadError::io("open", path.display(), errno))?;
        Ok(SavedImages {
            fd,
            path: path.to_owned(),
        })
    }

    /// The images that are there. Files of other names are left out.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Image>, ReadError> {
        let failed = |errno| ReadError::io("getdents64", self.path.display(), errno);
        let mut images = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_str().ok();
            images.extend(name.and_then(Image::from_file_name));
        }
        Ok(images)
    }

    /// The entries of an image, or `None` when it has no file, which means that there are none.
    ///
    /// # Errors
    /// When the file cannot be opened, or its header is wrong.
    pub fn entries(&self, image: Image) -> Result<Option<EntryReader<BufReader<File>>>, ReadError> {
        let Some(file) = self.open_file(image)? else {
            return Ok(None);
        };
        EntryReader::named(image, self.label(image), BufReader::new(file)).map(Some)
    }

    /// All entries of an image that holds one type of message without payloads; none when it has
    /// no file.
    ///
    /// # Errors
    /// As [`SavedImages::entries`] and [`EntryReader::next`].
    pub fn all<M: Message + Default>(&self, image: Image) -> Result<Vec<M>, ReadError> {
        self.entries(image)?
            .map_or(Ok(Vec::new()), EntryReader::all)
    }

    /// The first entry of an image that must be there.
    ///
    /// # Errors
    /// As [`SavedImages::entries`] and [`EntryReader::next`], or when there is no entry.
    pub fn one<M: Message + Default>(&self, image: Image) -> Result<M, ReadError> {
        match self.entries(image)? {
            Some(mut reader) => reader.required(),
            None => Err(ReadError::io("openat", self.label(image), Errno::NOENT)),
        }
    }

    /// A raw image, such as pages.
    ///
    /// # Errors
    /// When the image is not a raw one, or cannot be opened.
    pub fn raw(&self, image: Image) -> Result<Option<File>, ReadError> {
        if image.framing() != Framing::Raw {
            return Err(ReadError::WrongKind {
                file: image.to_string(),
                what: "raw bytes",
            });
        }
        self.open_file(image)
    }

    /// The file of a pages image, to punch holes into.
    pub(crate) fn raw_to_punch(&self, image: Image) -> Result<File, ReadError> {
        let missing = || ReadError::io("openat", self.label(image), Errno::NOENT);
        self.open_as(image, OFlags::RDWR)?.ok_or_else(missing)
    }

    /// The name of an image's file, for errors.
    pub(crate) fn label(&self, image: Image) -> String {
        self.path.join(image.file_name()).display().to_string()
    }

    /// The file of an image, if there is one.
    pub(crate) fn file(&self, image: Image) -> Result<Option<BufReader<File>>, ReadError> {
        Ok(self.open_file(image)?.map(BufReader::new))
    }

    fn open_file(&self, image: Image) -> Result<Option<File>, ReadError> {
        self.open_as(image, OFlags::RDONLY)
    }

    fn open_as(&self, image: Image, access: OFlags) -> Result<Option<File>, ReadError> {
        // Opening must not wait for a writer when the name belongs to a fifo.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let failed = |call, errno| ReadError::io(call, self.label(image), errno);
        let fd = match rustix::fs::openat(&self.fd, image.file_name(), flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed("openat", errno)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|errno| failed("fstat", errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ReadError::NotRegular {
                file: self.label(image),
            });
        }
        Ok(Some(fd.into()))
    }
}
