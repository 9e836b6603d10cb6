//! A name for a file that has lost the one it was opened by but has others: a hard link that the
//! dump makes and the restore removes.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use commensal_images::messages::{FdTypes, RegFileEntry, RemapType};
use commensal_seized::later;
use commensal_sys::Errno;
use rustix::fs::{AtFlags, CWD, OFlags, linkat, unlinkat};

use super::remap::quoted;
use super::{FilesDump, OpenFile, ghost, mounts};
use crate::Result;
use crate::mnt::Root;

/// include/uapi/linux/magic.h
const OVERLAYFS: u64 = 0x794c_7630;

/// The names that were made for the restore. Dropping this, as a dump that fails does, removes
/// them; the restore of a complete dump needs them, and removes them itself.
#[derive(Debug, Default)]
pub struct Links {
    made: Vec<Made>,
}

/// One name.
#[derive(Debug)]
struct Made {
    /// The directory that it is in, of a mount namespace of the tree's own.
    directory: Option<OwnedFd>,
    /// As the tree sees it.
    path: PathBuf,
}

/// A name for the calls that take a directory and a name.
fn at<'m>(directory: Option<&'m OwnedFd>, path: &'m Path) -> (BorrowedFd<'m>, &'m OsStr) {
    match (directory, path.file_name()) {
        (Some(directory), Some(name)) => (directory.as_fd(), name),
        _ => (CWD, path.as_os_str()),
    }
}

impl Links {
    /// The dump is complete: the links stay.
    pub fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for Made { directory, path } in &self.made {
            let (directory, name) = at(directory.as_ref(), path);
            if let Err(error) = unlinkat(directory, name, AtFlags::empty()) {
                let path = path.clone();
                later(move || {
                    tracing::warn!("the link {path:?}, made for the restore, stays: {error}")
                });
            }
        }
    }
}

/// Links the file under a new name beside the one it lost.
///
/// # Errors
///
/// A refusal where `--link-remap` was not given, or no directory on the way can hold the link.
pub fn dump(file: &OpenFile, name: &[u8], id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    if !dump.options.link_remap {
        return Err(file.refuse(
            format!("the file once called {}", quoted(name)),
            "that name is gone, though it has others, so the restore needs a new one",
            "let the dump make a link in the same directory: --link-remap",
        ));
    }
    let link_id = dump.identities.fresh();
    if !dump.writes() {
        return Ok(());
    }
    let made = match link(
        file,
        name,
        link_id,
        dump.namespaces.root_of(file.stat.mnt_id),
    ) {
        Ok(made) => made,
        // On overlayfs a file of a lower layer keeps its count of names when the last one goes.
        Err(Errno::NOENT) if file.fs_magic == OVERLAYFS => {
            return ghost::dump(file, name, id, dump);
        }
        Err(errno) => return Err(file.error("linkat", errno)),
    };
    let entry = RegFileEntry {
        id: link_id,
        name: made.path.clone().into_os_string().into_vec(),
        mnt_id: mounts::mount_for_image(file, dump),
        ..RegFileEntry::default()
    };
    dump.remaps.links.made.push(made);
    dump.write(FdTypes::Reg, link_id, |to| to.reg = Some(entry))?;
    dump.remaps.write(id, link_id, RemapType::Linked)
}

/// Makes the link in the nearest directory above the lost name that still exists.
fn link(file: &OpenFile, name: &[u8], link_id: u32, root: &Root) -> Result<Made, Errno> {
    let lost = Path::new(OsStr::from_bytes(name));
    let mut failed = Errno::NOENT;
    for directory in lost.ancestors().skip(1) {
        match link_in(file, directory, link_id, root) {
            Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => failed = errno,
            made => return made,
        }
    }
    Err(failed)
}

/// Makes the link in one directory, under a name that no earlier dump has left there.
fn link_in(file: &OpenFile, directory: &Path, link_id: u32, root: &Root) -> Result<Made, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let opened = match root.is_own() {
        true => Some(root.open(directory.as_os_str().as_bytes(), flags)?),
        false => None,
    };
    // Through /proc, because linking a descriptor itself takes CAP_DAC_READ_SEARCH.
    let source = file.proc_path("fd");
    for attempt in 0..u32::MAX {
        let path = match attempt {
            0 => directory.join(format!("link_remap.{link_id}")),
            _ => directory.join(format!("link_remap.{link_id}.{attempt}")),
        };
        let (at, name) = at(opened.as_ref(), &path);
        match linkat(CWD, &source, at, name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => {
                return Ok(Made {
                    directory: opened,
                    path,
                });
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}
