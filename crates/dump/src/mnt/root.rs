//! The paths of a tree, looked up where the tree would.

use std::os::fd::{AsFd, OwnedFd};

use commensal_sys::{Errno, Pid};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use crate::files::Stat;
use crate::{Place, Refusal, Result, proc};

/// Where the paths of a tree begin: at our own root, or at that of a mount namespace of the tree's
/// own. No link of the tree's leads out of it.
#[derive(Debug, Default)]
pub struct Root(Option<OwnedFd>);

impl Root {
    /// Of a tree in our own mount namespace.
    pub const OURS: Self = Self(None);

    /// Of a task that lives in another mount namespace.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn of(root: Pid) -> Result<Self> {
        let path = proc::path(root, "root");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&path, flags, Mode::empty());
        let opened = opened.map_err(|errno| proc::error(root, path, errno.into()))?;
        Ok(Self(Some(opened)))
    }

    /// Whether it is that of a mount namespace of the tree's own.
    pub fn is_own(&self) -> bool {
        self.0.is_some()
    }

    /// Opens a path of the tree's.
    ///
    /// # Errors
    ///
    /// Those of open(2).
    pub fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        match &self.0 {
            None => rustix::fs::open(path, flags, Mode::empty()),
            Some(root) => {
                rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
            }
        }
    }

    /// What stat(2) says of a path of the tree's; `flags` are none or `SYMLINK_NOFOLLOW`.
    ///
    /// # Errors
    ///
    /// Those of stat(2).
    pub fn stat(&self, path: &[u8], flags: AtFlags) -> Result<Stat, Errno> {
        if !self.is_own() {
            return Stat::of_path(path, flags);
        }
        let follow = match flags.contains(AtFlags::SYMLINK_NOFOLLOW) {
            true => OFlags::NOFOLLOW,
            false => OFlags::empty(),
        };
        Stat::of(self.open(path, OFlags::PATH | follow)?.as_fd())
    }
}

/// Refuses the first task of a mount namespace that chroot(2) has shut into a part of it: what the
/// kernel tells of its mounts is not all, and the restore looks up all paths from its root.
pub fn refusal(pid: Pid) -> Refusal {
    Refusal {
        what: "in a mount namespace, with a root directory that chroot(2) made".into(),
        place: Place::Task { pid },
        reason: "the restore looks up all paths of the namespace from the root of its first task"
            .into(),
        remedy: "enter the directory with pivot_root(2) instead of chroot(2)".into(),
    }
}

/// Whether a task's root directory is another than that of its mount namespace, as far as we see
/// that.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn is_shut_in(pid: Pid) -> Result<bool> {
    let path = proc::path(pid, "root");
    match rustix::fs::readlink(&path, Vec::new()) {
        Ok(root) => Ok(root.as_bytes() != b"/"),
        Err(errno) => Err(proc::error(pid, path, errno.into())),
    }
}
