//! What a restored autofs lacks: options, and what is in it but not mounted on.

use std::os::fd::OwnedFd;

use commensal_seized::later;
use commensal_sys::Errno;
use rustix::fs::{Dir, Mode as FileMode, OFlags, openat};

use super::super::{Mount, Namespace, clean};
use super::options::{AutofsOptions, Mode};
use super::{below, is_on};
use crate::{Error, Place, Result};

/// Tells what a restored autofs lacks.
///
/// # Errors
///
/// When it cannot be looked into.
pub fn tell((namespace, mount): (&Namespace, &Mount), options: &AutofsOptions) -> Result<()> {
    let point = String::from_utf8_lossy(&mount.point).into_owned();
    if !options.others.is_empty() {
        let (lost, point) = (options.others.join(", "), point.clone());
        later(move || tracing::warn!("the autofs on {point} is not {lost} after the restore"));
    }
    // Others are asked for when they are looked into.
    if options.mode == Mode::Indirect {
        for name in unmounted(namespace, mount)? {
            let point = point.clone();
            later(move || {
                tracing::warn!(
                    "{name:?} in the autofs on {point} is lost: the restore makes only directories \
                     that something is mounted on"
                )
            });
        }
    }
    Ok(())
}

/// What is in an indirect autofs, and not mounted on.
fn unmounted(namespace: &Namespace, mount: &Mount) -> Result<Vec<String>> {
    let clone = clean::clone_of(namespace.task, mount, &namespace.mounts)?;
    let names = names(&clone).map_err(|errno| Error::Call {
        call: "getdents64",
        place: Place::Task {
            pid: namespace.task,
        },
        errno,
    })?;
    let is_mounted_on = |name: &[u8]| {
        let mut mounts = namespace.mounts.iter();
        mounts.any(|other| is_on(other, mount) && below(other, mount) == name)
    };
    let lost = names.iter().filter(|name| !is_mounted_on(name));
    Ok(lost
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

/// The names in the root directory of an indirect autofs; looking at these asks nobody.
fn names(root: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = match openat(root, c".", flags, FileMode::empty()) {
        // So it is when it is empty.
        Err(Errno::NOENT) => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if ![&b"."[..], b".."].contains(&name) {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
