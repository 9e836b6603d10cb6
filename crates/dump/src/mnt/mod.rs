//! A mount namespace of the tree's own (mount_namespaces(7)).
//!
//! - `mountinfo`: the mounts that a task sees;
//! - [`Root`]: paths, looked up where the tree would;
//! - `filesystem`: which file systems a restore can mount;
//! - `table`: where a restore takes each mount from, and what is refused;
//! - `external`: mounts that the restore is given;
//! - `rights`: what it may mount in a user namespace;
//! - `image`: an entry for each mount;
//! - `contents`, `archive`: what is in the file systems that are mounted anew;
//! - `clean`: a mount without what lies over and below it.
//!
//! What is on the disk is not saved: the restore is given a directory as the root of the tree.

mod archive;
mod choices;
mod clean;
mod contents;
mod external;
mod filesystem;
mod image;
pub mod mountinfo;
mod rights;
mod root;
mod sparse;
mod table;

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;

use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::Pid;
use rustix::fs::{major, minor};

use crate::tree::namespaces::{has_own, tree_id};
use crate::userns::Users;
use crate::{Options, Refusal, Result};
pub use choices::MountChoices;
use filesystem::Contents;
pub use mountinfo::{Mount, Mounts};
use rights::Rights;
pub use root::{Root, is_shut_in};
use table::{Source, Table};

/// What is refused of the mounts of a running tree.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn check(root: Pid, options: &Options) -> Result<Vec<Refusal>> {
    if !has_own(root, "mnt")? {
        return Ok(Vec::new());
    }
    if let Some(refusal) = root::check(root)? {
        return Ok(vec![refusal]);
    }
    let mounts = Mounts::of_tree(root, &options.mounts)?;
    let rights = Rights::of(root, &Users::of(root)?)?;
    Ok(Table::new(&mounts, options)?.within(rights).refusals(root))
}

/// Writes the mounts that the tree of `root` sees, which stands still and has these `users`, and
/// what is in them; `has_master` says whether the tree has the master of a pty.
///
/// # Errors
///
/// Refused where the mounts changed since they were checked; where an image cannot be written.
pub fn dump<S: ImageSink>(
    set: &ImageSet<S>,
    (root, users): (Pid, &Users),
    mounts: &Mounts,
    options: &Options,
    has_master: impl Fn(u32) -> bool,
) -> Result<()> {
    let table = Table::new(mounts, options)?.within(Rights::of(root, users)?);
    let mut refusals = table.refusals(root);
    refusals.extend(root::check(root)?);
    refusals.extend(table.saved().filter_map(|mount| {
        let pty = table::pty(mount).filter(|pty| !has_master(*pty))?;
        let reason = format!("no task of the tree has the master of pty {pty}");
        let remedy = "unmount it before the dump".to_owned();
        Some(table::refuse(root, mount, &reason, remedy))
    }));
    if !refusals.is_empty() {
        return Err(refusals.into());
    }
    let mut dumped = HashSet::new();
    for mount in table.saved() {
        if let Ok(Source::New(what)) = table.source(mount)
            && dumped.insert(mount.dev)
        {
            contents::dump(set, (root, users), (mount, mounts), what, options)?;
        }
    }
    let host_pts = std::fs::metadata("/dev/pts").map(|pts| (major(pts.dev()), minor(pts.dev())));
    let mut image = set.entries(Image::Mnts(tree_id("mnt")))?;
    // A restore reads them backwards.
    for mount in table.saved().rev() {
        image.entry(&image::entry(
            mount,
            &table,
            host_pts.as_ref().ok().copied(),
        ))?;
    }
    Ok(image.finish()?)
}
