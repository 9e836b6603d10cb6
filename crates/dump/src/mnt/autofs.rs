//! Mounts that appear on demand (autofs(5)): the kernel asks a daemon for them, through a pipe.
//!
//! - `options`: what mountinfo tells;
//! - `daemon`: who reads the pipe;
//! - `lost`: what a restored one lacks.
//!
//! A restore mounts the autofs anew, and gives it the pipe when the daemon has its ends again. No
//! path through an autofs may be looked up while its daemon stands still, where the kernel would
//! ask it.

mod daemon;
mod lost;
mod options;

use commensal_images::messages::AutofsEntry;
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::Pid;
use rustix::fs::{AtFlags, makedev};

use super::table::{self, Against, Source, Table};
use super::{Contents, Mount, Mounts, Namespace, Namespaces, filesystem};
use crate::files::FilesDump;
use crate::pidns::Pids;
use crate::userns::Users;
use crate::{Refusal, Result};
use daemon::{Daemon, Reader};
use options::{AutofsOptions, Mode};

/// Major and minor number (include/linux/miscdevice.h).
const AUTOFS_DEVICE: (u32, u32) = (10, 235);

const UNMOUNT_IT: &str = "unmount it";

/// What stands against a mount, if the restore makes an autofs of it; these are the mounts of its
/// namespace.
pub fn against(mount: &Mount, mounts: &Mounts, table: &Table<'_>) -> Option<Against> {
    if !is_made(mount, table) {
        return None;
    }
    let Some(options) = AutofsOptions::of(mount) else {
        return Some((
            "its options are not those that are known of autofs",
            UNMOUNT_IT.into(),
        ));
    };
    if !options.others.is_empty() && !table.options.accept_loss {
        return Some((
            "the images have no place for one of its options",
            "unmount it, or accept the loss: --accept-loss".into(),
        ));
    }
    let mut on_it = mounts.iter().filter(|other| is_on(other, mount));
    let lost =
        |other: &Mount| options.mode != Mode::Indirect || below(other, mount).contains(&b'/');
    on_it.any(lost).then(|| {
        (
            "something is mounted in it on a directory that the restore does not make",
            "unmount what is in it first".into(),
        )
    })
}

/// Whether a mount is on a directory in another one, and not on its root.
fn is_on(mount: &Mount, other: &Mount) -> bool {
    mount.parent == other.id && mount.id != other.id && mount.point != other.point
}

/// Where in another mount one is that is on it.
fn below<'m>(mount: &'m Mount, other: &Mount) -> &'m [u8] {
    let rest = mount.point.strip_prefix(other.point.as_slice());
    let rest = rest.unwrap_or_default();
    rest.strip_prefix(b"/").unwrap_or(rest)
}

/// What is refused of the daemons of a running tree of these live `tasks`.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn check(table: &Table<'_>, tasks: &[Pid], names: (&Pids, &Users)) -> Result<Vec<Refusal>> {
    let mut refusals = Vec::new();
    for (namespace, mount) in mounted(table) {
        let Some(options) = AutofsOptions::of(mount) else {
            continue;
        };
        if options.fd.is_none() {
            continue;
        }
        match daemon::unless_gone(daemon::find(&options, tasks, names))? {
            Some(Reader::Other) => refusals.push(without_daemon(namespace, mount)),
            Some(Reader::Daemon(_)) => refusals.extend(without_device(namespace, mount)),
            Some(Reader::Nobody) | None => {}
        }
    }
    Ok(refusals)
}

/// The mounts of autofs that a restore makes.
fn mounted<'m>(table: &'m Table<'m>) -> impl Iterator<Item = (&'m Namespace, &'m Mount)> {
    let all = table.namespaces.iter().flat_map(|namespace| {
        let mounts = table.saved(namespace);
        mounts.map(move |mount| (namespace, mount))
    });
    all.filter(|(_, mount)| is_made(mount, table))
}

/// Whether a restore makes an autofs of a mount.
fn is_made(mount: &Mount, table: &Table<'_>) -> bool {
    let on_demand = filesystem::contents(mount, &table.options.mounts) == Some(Contents::OnDemand);
    on_demand && matches!(table.source(mount), Ok(Source::New(_)))
}

/// The pipes of the autofs in namespaces of the tree's own, of which the kernel has an end.
pub fn pipes(namespaces: &Namespaces) -> Vec<u64> {
    let mounts = namespaces.mounts();
    let mounts = mounts.filter(|mount| namespaces.are_own() && mount.fs_type == b"autofs");
    let options = mounts.filter_map(AutofsOptions::of);
    options.filter_map(|options| options.pipe).collect()
}

/// Writes an autofs of a tree that stands still.
///
/// # Errors
///
/// Refused where its daemon is not in the tree, or has not read all requests; where an image cannot
/// be written.
pub fn dump<S: ImageSink>(
    set: &ImageSet<S>,
    (namespace, users): (&Namespace, &Users),
    mount: &Mount,
    files: &FilesDump<'_>,
) -> Result<()> {
    let options = AutofsOptions::of(mount)
        .ok_or_else(|| refuse(namespace, mount, "its options changed", UNMOUNT_IT))?;
    let reader = match options.fd {
        None => Reader::Nobody,
        Some(_) => daemon::find(&options, files.tasks(), (files.pids(), users))?,
    };
    let daemon = match reader {
        Reader::Other => return Err(without_daemon(namespace, mount).into()),
        Reader::Nobody => None,
        Reader::Daemon(daemon) if daemon.unread > 0 => {
            return Err(refuse(
                namespace,
                mount,
                "its daemon has not read all requests, and those who made them wait",
                "try again",
            )
            .into());
        }
        Reader::Daemon(daemon) => Some(daemon),
    };
    if let Some(refusal) = daemon.and_then(|_| without_device(namespace, mount)) {
        return Err(refusal.into());
    }
    lost::tell((namespace, mount), &options)?;
    Ok(set.one(Image::Autofs(mount.kernel_dev()), &entry(&options, daemon))?)
}

fn entry(options: &AutofsOptions, daemon: Option<Daemon>) -> AutofsEntry {
    let read_fd = daemon.filter(|daemon| !daemon.has_write_end);
    AutofsEntry {
        fd: options.fd.filter(|_| daemon.is_some()).unwrap_or(-1),
        pgrp: daemon.map_or(0, |daemon| daemon.id.for_image() as i32),
        timeout: options.timeout,
        minproto: options.minproto,
        maxproto: options.maxproto,
        mode: options.mode as i32,
        uid: options.uid,
        gid: options.gid,
        read_fd: read_fd.map(|daemon| daemon.read_fd),
    }
}

fn without_daemon(namespace: &Namespace, mount: &Mount) -> Refusal {
    refuse(
        namespace,
        mount,
        "the task that its daemon's process group is named after is not in the tree, or does not read \
         its pipe",
        UNMOUNT_IT,
    )
}

/// By the device the restore gives the kernel the pipe of the daemon.
fn without_device(namespace: &Namespace, mount: &Mount) -> Option<Refusal> {
    let device = namespace.root.stat(b"/dev/autofs", AtFlags::empty());
    let is_there = device.is_ok_and(|stat| stat.rdev == makedev(AUTOFS_DEVICE.0, AUTOFS_DEVICE.1));
    (!is_there).then(|| {
        refuse(
            namespace,
            mount,
            "the restore gives it its daemon by /dev/autofs, which the tree does not have",
            "make the device in the tree's /dev: mknod autofs c 10 235; or unmount it",
        )
    })
}

fn refuse(namespace: &Namespace, mount: &Mount, reason: &str, remedy: &str) -> Refusal {
    table::refuse(namespace.task, mount, reason, remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    const AUTO: &str = "20 10 0:9 / /auto rw - autofs x rw,fd=5,pgrp=17,timeout=60,minproto=5,\
                        maxproto=5,indirect,pipe_ino=99";

    fn reason(lines: &[&str], accept_loss: bool) -> Option<Against> {
        let namespaces = Namespaces::parsed(&[lines]);
        let options = Options {
            accept_loss,
            ..Options::default()
        };
        let mounts = &namespaces.first().mounts;
        let table = Table::new(&namespaces, &options).unwrap();
        against(mounts.by_id(20).unwrap(), mounts, &table)
    }

    #[test]
    fn what_is_mounted_in_it_is_on_directories_that_a_restore_makes() {
        let below = "21 20 0:10 / /auto/one rw - tmpfs x rw";
        let over = "22 20 0:11 / /auto rw - tmpfs x rw";
        let deep = "23 20 0:12 / /auto/one/two rw - tmpfs x rw";
        assert_eq!(reason(&[AUTO, below, over], false), None);
        assert!(reason(&[AUTO, deep], false).is_some());
        let direct = AUTO.replace("indirect", "direct");
        assert_eq!(reason(&[&direct, over], false), None);
        assert!(reason(&[&direct, below], false).is_some());
    }

    #[test]
    fn options_are_lost_where_that_is_accepted() {
        let strict = AUTO.replace("indirect", "indirect,strictexpire");
        assert!(reason(&[&strict], false).is_some());
        assert_eq!(reason(&[&strict], true), None);
        assert!(reason(&[&AUTO.replace("fd=5,", "")], true).is_some());
    }

    #[test]
    fn one_without_a_daemon_has_no_pipe() {
        let mount = super::super::mountinfo::parse(AUTO.as_bytes()).unwrap();
        let options = AutofsOptions::of(&mount).unwrap();
        let catatonic = entry(&options, None);
        assert_eq!(
            (catatonic.fd, catatonic.pgrp, catatonic.read_fd),
            (-1, 0, None)
        );
        let daemon = Daemon {
            id: Pids::OURS.find(17).unwrap(),
            read_fd: 4,
            has_write_end: false,
            unread: 0,
        };
        let closed = entry(&options, Some(daemon));
        assert_eq!((closed.fd, closed.pgrp, closed.read_fd), (5, 17, Some(4)));
        let daemon = Daemon {
            has_write_end: true,
            ..daemon
        };
        assert_eq!(entry(&options, Some(daemon)).read_fd, None);
    }
}
