//! What a watch of inotify or fanotify is on: the kernel gives a file handle, the restore wants a
//! path.

use std::os::fd::{AsFd, OwnedFd};

use commensal_images::messages::FhEntry;
use commensal_sys::{Errno, file_handle};
use rustix::fs::{AtFlags, FileType, OFlags};

use super::Stat;
use super::fdinfo::{hex_word, word};
use super::remap::quoted;
use super::{FilesDump, OpenFile, irmap};
use crate::Result;
use crate::mnt::Root;

/// The length of the handle in the images, in units of 8 bytes.
pub const WORDS: usize = file_handle::MAX_HANDLE_SIZE / 8;

/// include/uapi/linux/magic.h
const TMPFS: u64 = 0x0102_1994;

/// An inode that is watched, as fdinfo names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The device, as the kernel keeps it: 12 bits major, 20 bits minor.
    pub dev: u32,
    /// The inode number.
    pub ino: u64,
    /// The type of the handle.
    kind: u32,
    /// The handle.
    bytes: Vec<u8>,
}

/// A name, and the number of the mount it was found on; none where the handle does.
type Found = (Option<Vec<u8>>, Option<u64>);

impl Watched {
    /// The `ino:`, `sdev:` and handle of a line of fdinfo.
    pub fn parse(line: &str) -> Option<Self> {
        let len = usize::try_from(hex_word(line, "fhandle-bytes")?).ok()?;
        let digits = word(line, "f_handle")?.as_bytes();
        let bytes = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect::<Option<Vec<_>>>()?;
        (bytes.len() == len && len <= file_handle::MAX_HANDLE_SIZE).then_some(Self {
            dev: hex_word(line, "sdev")?.try_into().ok()?,
            ino: hex_word(line, "ino")?,
            kind: hex_word(line, "fhandle-type")?.try_into().ok()?,
            bytes,
        })
    }

    /// The handle and, where the inode has a name that can be found, its path.
    ///
    /// # Errors
    ///
    /// A refusal where the restore could open neither.
    pub fn entry(&self, file: &OpenFile, dump: &FilesDump<'_>) -> Result<FhEntry> {
        let (path, mount) = self.path(file, dump)?;
        let mut handle = [0u64; WORDS];
        for (word, bytes) in handle.iter_mut().zip(self.bytes.chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(padded);
        }
        Ok(FhEntry {
            bytes: self.bytes.len() as u32,
            r#type: self.kind,
            handle: handle.to_vec(),
            path,
            mnt_id: mount.and_then(|id| dump.namespaces.mount_for_image(id)),
        })
    }

    /// The path that leads to the inode. None where the restore can open it by its handle, or
    /// finds it among the deleted files of the images.
    fn path(&self, file: &OpenFile, dump: &FilesDump<'_>) -> Result<Found> {
        let mut opened = None;
        for (root, mount) in dump.namespaces.of_device(self.device()) {
            let Ok(fd) = self.open(&mount.point, root) else {
                continue;
            };
            if let Some(path) = self.name_of(&fd, root) {
                if is_link(&fd) {
                    file.lose(
                        format!("a watch on the symbolic link {}", quoted(&path)),
                        "the restore follows it, and watches what it leads to",
                        dump.options.accept_loss,
                    )?;
                }
                return Ok((Some(path), Some(mount.id)));
            }
            opened = Some(fd);
        }
        let options = dump.options;
        let handle_does = opened.as_ref().is_some_and(keeps_handles);
        if handle_does && !options.force_irmap {
            return Ok((None, None));
        }
        // That search goes through our own directories.
        if !dump.namespaces.are_own()
            && let Some(path) = irmap::find(
                &options.irmap_scan_paths,
                &dump.tasks,
                self.device(),
                self.ino,
            )
        {
            return Ok((Some(path), None));
        }
        Err(self.refuse(
            file,
            match opened {
                Some(_) if handle_does => "no name of it was found, and its handle may not do",
                Some(_) => {
                    "its name is gone, and this file system makes other handles the next time"
                }
                None => "it cannot be opened by its handle, so its name cannot be found",
            },
        ))
    }

    fn device(&self) -> (u32, u32) {
        (self.dev >> 20, self.dev & 0xf_ffff)
    }

    fn refuse(&self, file: &OpenFile, reason: &str) -> crate::Error {
        let (major, minor) = self.device();
        file.refuse(
            format!("a watch on inode {} of device {major}:{minor}", self.ino),
            reason,
            "remove the watch before the dump, or name a directory above it: --irmap-scan-path DIR",
        )
    }

    fn open(&self, mount: &[u8], root: &Root) -> Result<OwnedFd, Errno> {
        let mount = root.open(mount, OFlags::RDONLY | OFlags::DIRECTORY)?;
        file_handle::open(mount.as_fd(), self.kind as i32, &self.bytes)
    }

    /// The path of an opened inode, if it still leads there.
    fn name_of(&self, fd: &OwnedFd, root: &Root) -> Option<Vec<u8>> {
        use std::os::fd::AsRawFd;
        let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let path = rustix::fs::readlink(link, Vec::new()).ok()?.into_bytes();
        let opened = Stat::of(fd.as_fd()).ok()?;
        let there = root.stat(&path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        ((there.dev, there.ino) == (opened.dev, opened.ino)).then_some(path)
    }
}

/// Whether an inode is a symbolic link.
fn is_link(fd: &OwnedFd) -> bool {
    Stat::of(fd.as_fd()).is_ok_and(|stat| stat.file_type() == FileType::Symlink)
}

/// Whether the file system of an inode finds it by the same handle later: one in memory does not.
fn keeps_handles(fd: &OwnedFd) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|fs| fs.f_type as u64 != TMPFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "inotify wd:1 ino:3c4a7 sdev:fe00000 mask:fff ignored_mask:0 \
                        fhandle-bytes:8 fhandle-type:1 f_handle:a7c4030000000000";

    #[test]
    fn a_line_has_a_handle() {
        let watched = Watched::parse(LINE).unwrap();
        assert_eq!(
            (watched.dev, watched.ino, watched.kind),
            (0xfe0_0000, 0x3c4a7, 1)
        );
        assert_eq!(watched.bytes, [0xa7, 0xc4, 3, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_handle_of_another_length_is_none() {
        assert_eq!(Watched::parse(&LINE.replace("bytes:8", "bytes:9")), None);
        assert_eq!(
            Watched::parse(&LINE.replace("f_handle:a7", "f_handle:zz")),
            None
        );
        assert_eq!(Watched::parse("inotify wd:1"), None);
    }
}
