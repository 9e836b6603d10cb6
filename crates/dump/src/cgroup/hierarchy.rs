//! The groups of one hierarchy, read from a mount of it that only we see.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use commensal_images::messages::CgroupDirEntry;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::{CgroupSelection, properties};
use crate::{Error, Result};

/// Groups of a hierarchy that a restore makes again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// The groups that threads are in, with all below them.
    pub dirs: Vec<CgroupDirEntry>,
    /// Whether threads of one task may be in different groups of it.
    pub threaded: bool,
}

/// Where groups are read, and what of them.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// See [`crate::Options::cgroup_yard`].
    pub yard: Option<&'a Path>,
    /// Which files.
    pub selection: &'a CgroupSelection,
}

/// Reads some groups of a hierarchy, sorted by path, and all below them. A
/// root needs no making, and what is outside of our namespace cannot be made.
///
/// # Errors
///
/// When the hierarchy cannot be mounted (CAP_SYS_ADMIN), or a group not read.
pub fn read(hierarchy: &[u8], groups: &[&[u8]], source: Source<'_>) -> Result<Groups> {
    let mut wanted: Vec<&[u8]> = Vec::new();
    for group in groups {
        let within = |parent: &&[u8]| {
            group
                .strip_prefix(*parent)
                .is_some_and(|rest| rest[0] == b'/')
        };
        let reachable = *group != b"/" && !group.starts_with(b"/..");
        if reachable && !wanted.iter().any(within) {
            wanted.push(group);
        }
    }
    if wanted.is_empty() {
        return Ok(Groups::default());
    }
    let failed = |source: io::Error| Error::Proc {
        path: format!("cgroup {}", String::from_utf8_lossy(hierarchy)),
        source,
    };
    // Keeps the mount until all is read.
    let mount;
    let root = match source.yard {
        Some(yard) => yard.join(OsStr::from_bytes(yard_name(hierarchy))),
        None => {
            mount = self::mount(hierarchy).map_err(|errno| failed(errno.into()))?;
            PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()))
        }
    };
    let names = source.selection.files(hierarchy);
    let mut found = Groups::default();
    for group in wanted {
        let name = &group[1..];
        let path = root.join(OsStr::from_bytes(name));
        let dir = directory(&path, name, &names, &mut found.threaded).map_err(failed)?;
        found.dirs.push(dir);
    }
    Ok(found)
}

fn directory(
    path: &Path,
    name: &[u8],
    names: &[&str],
    threaded: &mut bool,
) -> io::Result<CgroupDirEntry> {
    let properties = properties::read(path, names)?;
    *threaded |= properties.iter().any(|property| {
        property.name == b"tasks"
            || property.name == b"cgroup.type" && property.value == b"threaded"
    });
    let mut children = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name();
            let child = directory(&entry.path(), name.as_bytes(), names, threaded)?;
            children.push(child);
        }
    }
    Ok(CgroupDirEntry {
        dir_name: name.to_vec(),
        children,
        properties,
        dir_perms: Some(properties::permissions(&fs::metadata(path)?)),
    })
}

/// The directory of a hierarchy in a yard.
fn yard_name(hierarchy: &[u8]) -> &[u8] {
    match hierarchy {
        b"" => b"unified",
        _ => hierarchy.strip_prefix(b"name=").unwrap_or(hierarchy),
    }
}

/// A mount of the hierarchy that has no place in the file system and goes with
/// its descriptor.
fn mount(hierarchy: &[u8]) -> rustix::io::Result<OwnedFd> {
    let kind = if hierarchy.is_empty() {
        "cgroup2"
    } else {
        "cgroup"
    };
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    if let Some(name) = hierarchy.strip_prefix(b"name=") {
        fsconfig_set_string(&fs, "name", name)?;
    } else if !hierarchy.is_empty() {
        for controller in hierarchy.split(|&byte| byte == b',') {
            fsconfig_set_flag(&fs, controller)?;
        }
    }
    fsconfig_create(&fs)?;
    fsmount(
        &fs,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_RDONLY,
    )
}
