//! A mount of the tree's without what lies on and below it: a clone that no namespace has.

use std::ffi::CString;
use std::fs::File;
use std::iter::repeat_n;
use std::os::fd::{AsFd, OwnedFd};

use commensal_sys::uncover::Covered;
use commensal_sys::{Errno, Pid, namespace};
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::thread::move_into_link_name_space;

use super::{Mount, Mounts};
use crate::files::Stat;
use crate::tree::namespaces::has_own;
use crate::{Error, Result, proc};

/// Clones a mount of the tree of `root`, which may have a user namespace of its own. It is made by a thread
/// of ours that goes into the tree's mount namespace; where another mount lies over it, or it is unbindable,
/// in a private copy of that, in which what lies over it is unmounted. Nothing changes in the tree's own.
///
/// # Errors
///
/// Where the namespace cannot be entered, or the mount is not found.
pub fn clone_of(root: Pid, mount: &Mount, mounts: &Mounts) -> Result<OwnedFd> {
    let path = proc::path(root, "ns/mnt");
    let namespace = File::open(&path).map_err(|source| proc::error(root, path, source))?;
    let failed =
        |call| move |errno: Errno| Error::Sys(commensal_sys::Error::new(call, root.get(), errno));
    let owner = has_own(root, "user")?.then(|| namespace::owner(namespace.as_fd()));
    let owner = owner.transpose().map_err(failed("ioctl"))?;
    let work = || {
        // The thread needs a root directory of its own.
        namespace::unshare_root_directory().map_err(failed("unshare"))?;
        move_into_link_name_space(namespace.as_fd(), None).map_err(failed("setns"))?;
        let covers = covers(mount, mounts);
        let clone = if covers.is_empty() && !mount.unbindable {
            // Nobody is asked to mount something there: who would do it may stand still.
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_NO_AUTOMOUNT;
            open_tree(CWD, mount.point.as_slice(), flags).map_err(failed("open_tree"))?
        } else {
            let covered = Covered {
                task: root,
                owner: owner.as_ref().map(|owner| owner.as_fd()),
                covers: &points(&covers).map_err(failed("umount2"))?,
                point: &point(mount).map_err(failed("open_tree"))?,
            };
            covered.clone_it()?
        };
        let stat = Stat::of(clone.as_fd()).map_err(failed("statx"))?;
        let dev = (rustix::fs::major(stat.dev), rustix::fs::minor(stat.dev));
        match dev == mount.dev {
            true => Ok(clone),
            false => Err(failed("open_tree")(Errno::XDEV)),
        }
    };
    let result = std::thread::scope(|scope| scope.spawn(work).join());
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Where to unmount what covers a mount.
fn points(covers: &[Cover<'_>]) -> Result<Vec<CString>, Errno> {
    let each = covers
        .iter()
        .flat_map(|cover| repeat_n(cover.mount, cover.height));
    each.map(point).collect()
}

fn point(mount: &Mount) -> Result<CString, Errno> {
    CString::new(mount.point.as_slice()).map_err(|_| Errno::INVAL)
}

/// A mount that lies over another one.
struct Cover<'m> {
    mount: &'m Mount,
    /// How many mounts lie on each other there, it being the lowest.
    height: usize,
}

/// The mounts that lie over a mount, or over a mount that it is below, in the order in which they can
/// be seen and unmounted. What is below them goes with them.
fn covers<'m>(mount: &Mount, mounts: &'m Mounts) -> Vec<Cover<'m>> {
    // Each mount on the way to it, with where the way leaves it for the next.
    let mut way = vec![(mount.id, mount.point.as_slice())];
    let mut below = mount;
    while let Some(above) = mounts.by_id(below.parent)
        && way.iter().all(|(id, _)| *id != above.id)
    {
        way.push((above.id, below.point.as_slice()));
        below = above;
    }
    let over = |(id, point): &(u64, &[u8])| {
        let is_over = |other: &&Mount| {
            let is_aside = way.iter().all(|(id, _)| *id != other.id);
            is_aside && other.parent == *id && other.is_above(point)
        };
        let mut found: Vec<&Mount> = mounts.iter().filter(is_over).collect();
        // One that is above others hides these.
        found.sort_by_key(|cover| cover.point.len());
        found
    };
    let covers = way.iter().rev().flat_map(over);
    covers
        .map(|mount| Cover {
            mount,
            height: height(mount, mounts),
        })
        .collect()
}

/// How many mounts lie on each other at the point of one, from that on.
fn height(lowest: &Mount, mounts: &Mounts) -> usize {
    let on = |below: &&Mount| {
        let (id, point) = (below.id, &below.point);
        let mut others = mounts.iter();
        others.find(|other| other.parent == id && other.id != id && other.point == *point)
    };
    std::iter::successors(Some(lowest), on).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_over_a_mount_is_found() {
        let lines = [
            &b"1 0 8:1 / / rw - ext4 a rw"[..],
            b"2 1 0:2 / /dev rw - tmpfs a rw",
            b"3 2 0:3 / /dev/shm rw - tmpfs a rw",
            b"4 3 0:4 / /dev/shm rw - tmpfs a rw",
            b"5 4 0:5 / /dev/shm/x rw - tmpfs a rw",
            b"6 2 0:6 / /dev rw - tmpfs a rw",
            b"7 6 0:7 / /dev/shm rw - tmpfs a rw",
        ];
        let mounts = Mounts::parse(lines.into_iter()).unwrap();
        let over = |id| {
            let found = covers(mounts.by_id(id).unwrap(), &mounts);
            let found = found.iter().map(|cover| (cover.mount.id, cover.height));
            found.collect::<Vec<_>>()
        };
        assert_eq!(over(3), [(6, 1), (4, 1)]);
        assert_eq!(over(5), [(6, 1)]);
        assert_eq!(over(6), []);
        assert_eq!(over(2), [(6, 1)]);
        assert_eq!(over(7), [], "3 is under 6");
    }
    #[test]
    fn several_on_each_other_and_one_above_others_are_told() {
        let lines = [
            &b"1 0 8:1 / / rw - ext4 a rw"[..],
            b"2 1 0:2 / /a/b rw - tmpfs a rw",
            b"3 2 0:3 / /a/b rw - tmpfs a rw",
            b"4 3 0:4 / /a/b rw - tmpfs a rw",
            b"5 1 0:5 / /a rw - tmpfs a rw",
        ];
        let mounts = Mounts::parse(lines.into_iter()).unwrap();
        let found = covers(mounts.by_id(2).unwrap(), &mounts);
        let found = found.iter().map(|cover| (cover.mount.id, cover.height));
        assert_eq!(found.collect::<Vec<_>>(), [(5, 1), (3, 2)]);
    }
}
