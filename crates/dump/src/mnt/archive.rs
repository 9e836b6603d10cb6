//! The files of a file system as a tar archive in a gzip file, which is how the images have them;
//! without compression, as the tree stands still.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use commensal_images::{RawWriter, WriteError};
use rustix::fs::{Dir, FileType, Mode, OFlags, major, minor, openat};
use tar::{Builder, EntryType, Header, HeaderMode};

use super::gzip::Stored;
use super::sparse::Extents;
use crate::Cancel;
use crate::files::Stat;
use crate::userns::{Unmapped, Users};

/// Why there is no archive.
#[derive(Debug)]
pub enum Error {
    /// A file could not be read.
    Read {
        /// Which, below the root of the file system.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file belongs to one who has no id in the tree's user namespace.
    Unmapped {
        /// Which, below the root of the file system.
        path: PathBuf,
        /// Who.
        unmapped: Unmapped,
    },
    /// A device, which nobody can make in a user namespace.
    Device {
        /// Which, below the root of the file system.
        path: PathBuf,
    },
    /// The archive could not be written.
    Image(WriteError),
    /// The caller has given up.
    Cancelled,
}

type Result<T, E = Error> = core::result::Result<T, E>;

/// An archive that is being written.
pub struct Archive<'s> {
    tar: Builder<Stored<'s>>,
    /// Where the first name of a file with several is, by inode.
    linked: HashMap<u64, PathBuf>,
    /// A file with extended attributes, which the archive does not have.
    lost: Option<String>,
    users: &'s Users,
    cancel: &'s Cancel,
}

impl<'s> Archive<'s> {
    /// Writes all files below `root`, whose owners are called as `users` have them. Left out are sockets, which a restore binds anew. Gives the
    /// name of a file with extended attributes, which are left out, too.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read, or the image not be written.
    pub fn write(
        root: OwnedFd,
        image: RawWriter<'s>,
        users: &'s Users,
        cancel: &'s Cancel,
    ) -> Result<Option<String>> {
        let mut tar = Builder::new(Stored::new(image));
        tar.mode(HeaderMode::Complete);
        let mut archive = Self {
            tar,
            linked: HashMap::new(),
            lost: None,
            users,
            cancel,
        };
        let written = archive.directory(root, Path::new("."));
        let written = written.and_then(|()| archive.read("archive", |tar| tar.finish()));
        archive.end(written)
    }

    fn end(self, written: Result<()>) -> Result<Option<String>> {
        let ended = self.tar.into_inner().map_err(|source| Error::Read {
            path: "archive".into(),
            source,
        });
        ended?.finish().map_err(Error::Image)?;
        written.map(|()| self.lost)
    }

    /// Does something that may fail for a file at `path`.
    fn read<T>(
        &mut self,
        path: impl AsRef<Path>,
        work: impl FnOnce(&mut Builder<Stored<'s>>) -> io::Result<T>,
    ) -> Result<T> {
        work(&mut self.tar).map_err(|source| Error::Read {
            path: path.as_ref().to_owned(),
            source,
        })
    }

    /// A directory with all that is in it.
    fn directory(&mut self, fd: OwnedFd, path: &Path) -> Result<()> {
        self.note_attributes(fd.as_fd(), path);
        let mut header = self.header(fd.as_fd(), EntryType::Directory, path)?;
        self.read(path, |tar| {
            tar.append_data(&mut header, path.join(""), io::empty())
        })?;
        let names = self.read(path, |_| names(fd.as_fd()))?;
        for name in names {
            self.entry(fd.as_fd(), &name, &path.join(OsStr::from_bytes(&name)))?;
        }
        Ok(())
    }

    fn entry(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: &Path) -> Result<()> {
        self.cancel.check().map_err(|_| Error::Cancelled)?;
        let open = |flags| open_in(parent, name, flags);
        let (fd, stat) = self.read(path, |_| {
            let fd = open(OFlags::PATH)?;
            let stat = Stat::of(fd.as_fd())?;
            Ok((fd, stat))
        })?;
        match stat.file_type() {
            FileType::Directory => {
                let fd = self.read(path, |_| open(OFlags::RDONLY | OFlags::DIRECTORY))?;
                self.directory(fd, path)
            }
            FileType::Socket => Ok(()),
            _ if stat.nlink > 1 && self.linked.contains_key(&stat.ino) => {
                let first = self.linked[&stat.ino].clone();
                self.link(&fd, EntryType::Link, path, &first)
            }
            kind => {
                if stat.nlink > 1 {
                    self.linked.insert(stat.ino, path.to_owned());
                }
                self.file(fd, kind, &stat, path, || {
                    open(OFlags::RDONLY | OFlags::NOATIME).or_else(|_| open(OFlags::RDONLY))
                })
            }
        }
    }

    fn file(
        &mut self,
        fd: OwnedFd,
        kind: FileType,
        stat: &Stat,
        path: &Path,
        open: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> Result<()> {
        match kind {
            FileType::RegularFile => {
                let file = File::from(self.read(path, |_| open())?);
                self.note_attributes(file.as_fd(), path);
                let mut header = self.header(file.as_fd(), EntryType::Regular, path)?;
                let extents = self.read(path, |_| Extents::of(&file, stat.size))?;
                self.read(path, |tar| match extents {
                    Some(extents) => {
                        let data = extents.entry(&mut header, &file, stat.size)?;
                        tar.append_data(&mut header, path, data)
                    }
                    None => {
                        header.set_size(stat.size);
                        tar.append_data(&mut header, path, (&file).take(stat.size))
                    }
                })
            }
            FileType::Symlink => {
                let target =
                    self.read(path, |_| Ok(rustix::fs::readlinkat(&fd, c"", Vec::new())?))?;
                let target = PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes()));
                self.link(&fd, EntryType::Symlink, path, &target)
            }
            FileType::Fifo => self.special(&fd, EntryType::Fifo, stat, path),
            FileType::CharacterDevice | FileType::BlockDevice if self.users.are_own() => {
                Err(Error::Device { path: path.into() })
            }
            FileType::CharacterDevice => self.special(&fd, EntryType::Char, stat, path),
            _ => self.special(&fd, EntryType::Block, stat, path),
        }
    }

    fn link(&mut self, fd: &OwnedFd, kind: EntryType, path: &Path, target: &Path) -> Result<()> {
        let mut header = self.header(fd.as_fd(), kind, path)?;
        self.read(path, |tar| tar.append_link(&mut header, path, target))
    }

    fn special(&mut self, fd: &OwnedFd, kind: EntryType, stat: &Stat, path: &Path) -> Result<()> {
        let mut header = self.header(fd.as_fd(), kind, path)?;
        self.read(path, |tar| {
            header.set_device_major(major(stat.rdev))?;
            header.set_device_minor(minor(stat.rdev))?;
            tar.append_data(&mut header, path, io::empty())
        })
    }

    /// Owner, mode and time of a file, without contents.
    fn header(&mut self, fd: BorrowedFd<'_>, kind: EntryType, path: &Path) -> Result<Header> {
        let (owner, mut header) = self.read(path, |_| {
            let metadata = File::from(fd.try_clone_to_owned()?).metadata()?;
            let mut header = Header::new_gnu();
            header.set_metadata(&metadata);
            Ok((Stat::of(fd)?.owner, header))
        })?;
        let (uid, gid) = self
            .users
            .owner(owner)
            .map_err(|unmapped| Error::Unmapped {
                path: path.into(),
                unmapped,
            })?;
        header.set_uid(uid.into());
        header.set_gid(gid.into());
        header.set_entry_type(kind);
        header.set_size(0);
        Ok(header)
    }

    fn note_attributes(&mut self, fd: BorrowedFd<'_>, path: &Path) {
        // A restore gives files the label that the system has for them.
        const LABEL: &[u8] = b"security.selinux";
        let mut list = Vec::with_capacity(4096);
        let listed = rustix::fs::flistxattr(fd, rustix::buffer::spare_capacity(&mut list));
        let mut names = list.split(|byte| *byte == 0);
        let kept = names.any(|name| !name.is_empty() && name != LABEL);
        if self.lost.is_none() && listed.is_ok() && kept {
            self.lost = Some(path.display().to_string());
        }
    }
}

fn open_in(parent: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

/// The names in a directory, in order.
fn names(fd: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(fd)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
