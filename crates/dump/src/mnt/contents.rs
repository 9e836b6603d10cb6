//! What is in the file systems that a restore mounts anew.

use std::os::fd::OwnedFd;

use commensal_images::{Image, ImageSet, ImageSink};
use commensal_seized::later;
use commensal_sys::{Errno, Pid};
use rustix::fs::{Dir, Mode, OFlags, openat};

use super::archive::{self, Archive};
use super::{Contents, Mount, Namespace, clean};
use crate::userns::Users;
use crate::{Error, Options, Place, Result};

/// Writes what is in the file system of a mount of a tree that stands still and has these `users`.
///
/// # Errors
///
/// Refused where it cannot be looked into, or holds what the images have no place for.
pub fn dump<S: ImageSink>(
    set: &ImageSet<S>,
    (namespace, users): (&Namespace, &Users),
    mount: &Mount,
    contents: Contents,
    options: &Options,
) -> Result<()> {
    let root = namespace.task;
    match contents {
        Contents::OfTheKernel | Contents::OnDemand => Ok(()),
        Contents::Empty => match is_empty(&directory((namespace, users), mount)?) {
            Ok(true) => Ok(()),
            Ok(false) => Err(refuse(
                root,
                mount,
                "it is not empty, and what is in it cannot be saved",
                "remove what is in it, or unmount it",
            )),
            Err(errno) => Err(failed(root, "getdents64", errno)),
        },
        Contents::Files => {
            let image = set.raw(Image::TmpfsDev(mount.kernel_dev()))?;
            let lost = Archive::write(
                directory((namespace, users), mount)?,
                image,
                users,
                &options.cancel,
            )
            .map_err(|error| archive_error(root, mount, error))?;
            lost.map_or(Ok(()), |file| lose(root, mount, &file, options))
        }
    }
}

/// The root directory of a mount, with nothing mounted below it.
fn directory((namespace, users): (&Namespace, &Users), mount: &Mount) -> Result<OwnedFd> {
    let root = namespace.task;
    let clone = clean::clone_of(root, mount, &namespace.mounts);
    let clone = clone.map_err(|error| match error {
        // That is how open_tree(2) and umount2(2) say that they would uncover what is locked together.
        Error::Sys(error) if users.are_own() && error.errno == Errno::INVAL => refuse(
            root,
            mount,
            "what is mounted in it or over it was mounted outside of the tree's user namespace, and \
             cannot be told apart from it",
            &super::table::give(mount),
        ),
        error => error,
    })?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(&clone, c".", flags, Mode::empty()).map_err(|errno| failed(root, "openat", errno))
}

fn is_empty(directory: &OwnedFd) -> rustix::io::Result<bool> {
    for entry in Dir::read_from(directory)? {
        if ![c".", c".."].contains(&entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn failed(pid: Pid, call: &'static str, errno: rustix::io::Errno) -> Error {
    Error::Call {
        call,
        place: Place::Task { pid },
        errno,
    }
}

/// The images have files without extended attributes.
fn lose(root: Pid, mount: &Mount, file: &str, options: &Options) -> Result<()> {
    if options.accept_loss {
        let (file, point) = (file.to_owned(), mount.point.clone());
        later(move || {
            let point = String::from_utf8_lossy(&point);
            tracing::warn!("extended attributes of {file:?} and others in {point} are lost");
        });
        return Ok(());
    }
    Err(refuse(
        root,
        mount,
        &format!("the restore gives {file:?} no extended attributes, which it has"),
        "remove them, or accept the loss: --accept-loss",
    ))
}

fn archive_error(root: Pid, mount: &Mount, error: archive::Error) -> Error {
    match error {
        archive::Error::Image(error) => error.into(),
        archive::Error::Cancelled => Error::Cancelled,
        archive::Error::Unmapped { path, unmapped } => {
            let what = format!(
                "in a mount namespace with the file {} in the tmpfs on {}",
                path.display(),
                String::from_utf8_lossy(&mount.point)
            );
            unmapped.refuse(what, Place::Task { pid: root }).into()
        }
        archive::Error::Device { path } => refuse(
            root,
            mount,
            &format!(
                "{} in it is a device, which the restore cannot make in a user namespace",
                path.display()
            ),
            "remove it, or bind the device of the host there instead",
        ),
        archive::Error::Read { path, source } => refuse(
            root,
            mount,
            &format!("{} in it cannot be read: {source}", path.display()),
            "dump as root",
        ),
    }
}

fn refuse(pid: Pid, mount: &Mount, reason: &str, remedy: &str) -> Error {
    super::table::refuse(pid, mount, reason, remedy.to_owned()).into()
}
