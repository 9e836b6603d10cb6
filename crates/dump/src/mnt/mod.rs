//! Mount namespaces of the tree's own (mount_namespaces(7)): its root's, and more below.
//!
//! - [`Namespaces`]: which there are, with the mounts of each;
//! - `mountinfo`: the mounts that a task sees;
//! - [`Root`]: paths, looked up where the tree would;
//! - `filesystem`: which file systems a restore can mount;
//! - `table`: where a restore takes each mount from, and what is refused;
//! - `deleted`: mounts of what has lost its name;
//! - `sharing`: groups of mounts that share events;
//! - `external`: mounts that the restore is given;
//! - `overlay`: whether it finds the directories of an overlay;
//! - `autofs`: mounts that appear on demand;
//! - `rights`: what it may mount in a user namespace;
//! - `image`: an entry for each mount;
//! - `contents`, `archive`, `gzip`: what is in the file systems that are mounted anew;
//! - `clean`: a mount without what lies over and below it.
//!
//! What is on the disk is not saved: the restore is given a directory as the root of the tree.

mod archive;
pub mod autofs;
mod choices;
mod clean;
mod contents;
mod deleted;
mod external;
mod filesystem;
mod gzip;
mod image;
pub mod mountinfo;
mod namespace;
mod overlay;
mod rights;
mod root;
mod sharing;
mod sparse;
mod table;

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;

use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::Pid;
use rustix::fs::{major, minor};

use crate::files::FilesDump;
use crate::pidns::Pids;
use crate::tree::namespaces::IdsOfTree;
use crate::userns::Users;
use crate::{Options, Refusal, Result};
pub use choices::MountChoices;
use filesystem::Contents;
pub use mountinfo::{Mount, Mounts};
pub use namespace::{Namespace, Namespaces};
use rights::Rights;
pub use root::{Root, is_shut_in};
use table::{Source, Table};

/// What is refused of the mounts of a running tree: of its live `tasks`, the root first, which it
/// calls as `pids` has it, its users as `users`; its namespaces have these `ids`.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn check(
    tasks: &[Pid],
    (pids, users, ids): (&Pids, &Users, &IdsOfTree),
    options: &Options,
) -> Result<Vec<Refusal>> {
    if !ids.has_own("mnt") {
        return Ok(Vec::new());
    }
    let look = || Namespaces::of(tasks, (pids, ids), &options.mounts);
    let mut namespaces = look()?;
    let against = |namespaces: &Namespaces| against(namespaces, tasks, (pids, users), options);
    for _ in 0..LOOKS {
        let refusals = against(&namespaces)?;
        // The namespaces are not read in one moment, so that a mount may be without its group.
        let again = if refusals.is_empty() {
            None
        } else {
            Some(look()?)
        };
        match again {
            Some(again) if !again.mounts().eq(namespaces.mounts()) => namespaces = again,
            _ => return Ok(refusals),
        }
    }
    against(&namespaces)
}

/// How often the mounts of a running tree are read anew while they change.
const LOOKS: usize = 8;

/// What is refused of namespaces of a tree of these live tasks.
fn against(
    namespaces: &Namespaces,
    tasks: &[Pid],
    (pids, users): (&Pids, &Users),
    options: &Options,
) -> Result<Vec<Refusal>> {
    let refusals = namespaces.check(users)?;
    if !refusals.is_empty() {
        return Ok(refusals);
    }
    let rights = Rights::of(namespaces.first().task, users)?;
    let table = Table::new(namespaces, options)?.within(rights);
    let refusals = table.refusals();
    match refusals.is_empty() {
        true => autofs::check(&table, tasks, (pids, users)),
        false => Ok(refusals),
    }
}

/// Writes the mounts of the namespaces of a tree that stands still and has these `users` and
/// `files`, and what is in them.
///
/// # Errors
///
/// Refused where the mounts changed since they were checked; where an image cannot be written.
pub fn dump<S: ImageSink>(
    set: &ImageSet<S>,
    users: &Users,
    files: &FilesDump<'_>,
    options: &Options,
) -> Result<()> {
    let namespaces = files.namespaces();
    let rights = Rights::of(namespaces.first().task, users)?;
    let table = Table::new(namespaces, options)?.within(rights);
    let mut refusals = namespaces.check(users)?;
    refusals.extend(table.refusals());
    refusals.extend(without_master(&table, files));
    if !refusals.is_empty() {
        return Err(refusals.into());
    }
    let mut dumped = HashSet::new();
    for namespace in namespaces.iter() {
        for mount in table.saved(namespace) {
            if let Ok(Source::New(what)) = table.source(mount)
                && dumped.insert(mount.dev)
            {
                match what {
                    Contents::OnDemand => autofs::dump(set, (namespace, users), mount, files)?,
                    what => contents::dump(set, (namespace, users), mount, what, options)?,
                }
            }
        }
    }
    for namespace in namespaces.iter() {
        write(set, namespace, &table)?;
    }
    Ok(())
}

/// Mounts of ptys whose master the restore would not have when it mounts them.
fn without_master(table: &Table<'_>, files: &FilesDump<'_>) -> Vec<Refusal> {
    let first = &files.namespaces().first().mounts;
    let of = |namespace: &Namespace, mount: &Mount| {
        let pty = table::pty(mount)?;
        let master = files.mount_of_pty_master(pty);
        if master.is_some_and(|master| first.by_id(master).is_some()) {
            return None;
        }
        let reason = match master {
            None => format!("no task of the tree has the master of pty {pty}"),
            Some(_) => format!(
                "the master of pty {pty} was opened in another mount namespace than that of the \
                 root of the tree"
            ),
        };
        let remedy = "unmount it before the dump".to_owned();
        Some(table::refuse(namespace.task, mount, &reason, remedy))
    };
    let all = files.namespaces().iter();
    let found = all.flat_map(|namespace| {
        let mounts = table.saved(namespace);
        mounts.filter_map(move |mount| of(namespace, mount))
    });
    found.collect()
}

/// The image of the mounts of one namespace.
fn write<S: ImageSink>(set: &ImageSet<S>, namespace: &Namespace, table: &Table<'_>) -> Result<()> {
    let host_pts = std::fs::metadata("/dev/pts").map(|pts| (major(pts.dev()), minor(pts.dev())));
    let host_pts = host_pts.ok();
    let mut image = set.entries(Image::Mnts(namespace.id))?;
    // A restore reads them backwards.
    for mount in table.saved(namespace).rev() {
        image.entry(&image::entry(mount, table, host_pts))?;
    }
    Ok(image.finish()?)
}
