//! Who may read a directory of images beside its owner.
//!
//! A tree in a user namespace of its own is restored by the root of that namespace, who is an
//! ordinary user to the file system. An access control list (acl(5)) lets that user read the
//! images, and nobody else.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use crate::messages::UsernsEntry;
use crate::{Image, ReadError, SavedImages, WriteError};

/// Why the tree's root may not read the images.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// Its namespace is not known.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An access control list could not be set.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Lets the root of the dumped tree's user namespace read the images in a directory, and those
/// that they build on. Gives that user's id, or `None` where the tree has no such namespace.
///
/// # Errors
///
/// Where the file system has no access control lists, or another is set there already.
pub fn share_with_tree(dir: &Path) -> Result<Option<u32>, ShareError> {
    let images = SavedImages::open(dir)?;
    let is_userns = |image: &Image| matches!(image, Image::Userns(_));
    let Some(image) = images.list()?.into_iter().find(is_userns) else {
        return Ok(None);
    };
    let maps: UsernsEntry = images.one(image)?;
    let Some(root) = maps.uid_map.iter().find(|extent| extent.first == 0) else {
        return Ok(None);
    };
    let uid = root.lower_first;
    let mut next = Some(dir.to_owned());
    while let Some(dir) = next {
        let images = SavedImages::open(&dir)?;
        for image in images.list()? {
            let name = dir.join(image.file_name());
            share(&name, uid, Perm::Read)?;
        }
        share(&dir, uid, Perm::Enter)?;
        next = parent(&dir);
    }
    Ok(Some(uid))
}

/// The directory that a set builds on, as in CRIU's incremental dumps.
fn parent(dir: &Path) -> Option<PathBuf> {
    let parent = dir.join("parent");
    parent.is_dir().then_some(parent)
}

/// What the user may do, as a part of a mode.
#[derive(Clone, Copy)]
enum Perm {
    Read = 0o4,
    Enter = 0o5,
}

fn share(path: &Path, uid: u32, perm: Perm) -> Result<(), WriteError> {
    let failed = |call| move |errno| WriteError::io(call, path.display(), errno);
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC;
    if matches!(perm, Perm::Read) {
        flags |= OFlags::NOFOLLOW | OFlags::NONBLOCK;
    }
    let fd: OwnedFd = rustix::fs::open(path, flags, Mode::empty()).map_err(failed("open"))?;
    let file = File::from(fd);
    let meta = file.metadata();
    let meta = meta.map_err(|source| WriteError::Io {
        call: "statx",
        file: path.display().to_string(),
        source,
    })?;
    if meta.uid() == uid || meta.mode() & perm as u32 == perm as u32 {
        return Ok(());
    }
    let mut found = [0; 1024];
    match rustix::fs::fgetxattr(file.as_fd(), ATTRIBUTE, &mut found) {
        Ok(len) if allows(&found[..len], uid, perm as u16) => return Ok(()),
        // Somebody wants another one there.
        Ok(_) => return Err(failed("fsetxattr")(Errno::EXIST)),
        Err(Errno::NODATA) => {}
        Err(errno) => return Err(failed("fgetxattr")(errno)),
    }
    let list = list(meta.mode(), uid, perm as u16);
    rustix::fs::fsetxattr(file.as_fd(), ATTRIBUTE, &list, XattrFlags::empty())
        .map_err(failed("fsetxattr"))
}

/// The attribute that holds an access control list.
const ATTRIBUTE: &str = "system.posix_acl_access";

// include/uapi/linux/posix_acl.h, posix_acl_xattr.h
const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const UNDEFINED: u32 = u32::MAX;

/// Whether a list lets this user do that.
fn allows(list: &[u8], uid: u32, perm: u16) -> bool {
    let entries = list.get(size_of_val(&VERSION)..).unwrap_or_default();
    entries.chunks_exact(8).any(|entry| {
        let short = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        (short(0), id) == (USER, uid) && short(2) & perm == perm
    })
}

/// A list that says the same as a mode, and lets one more user do something.
fn list(mode: u32, uid: u32, perm: u16) -> Vec<u8> {
    let of = |shift: u32| (mode >> shift & 0o7) as u16;
    let entries = [
        (USER_OBJ, of(6), UNDEFINED),
        (USER, perm, uid),
        (GROUP_OBJ, of(3), UNDEFINED),
        (MASK, of(3) | perm, UNDEFINED),
        (OTHER, of(0), UNDEFINED),
    ];
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for (tag, perm, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(perm.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}
