//! Which namespaces a task lives in (namespaces(7)).

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use commensal_images::messages::TaskKobjIdsEntry;
use commensal_sys::Pid;
use rustix::fs::{CWD, Mode, OFlags, open, readlinkat};
use rustix::thread::move_into_link_name_space;

use crate::{Error, Result, proc};

/// The kinds of namespaces, in the order in which CRIU counts them.
pub const KINDS: [&str; 8] = ["pid", "net", "ipc", "uts", "time", "mnt", "user", "cgroup"];

/// The kinds of which a tree may have several, if its root is not in ours: the restore makes them
/// all.
const SEVERAL: [&str; 2] = ["mnt", "net"];

/// The inode of the first namespace that is made on a system, `PROC_DYNAMIC_FIRST` (fs/proc/generic.c);
/// those of its first tasks are just below.
const FIRST_INODE: u32 = 0xf000_0000;

/// The id of that in the images, beyond those of our namespaces and of a tree's root.
const OTHERS: u32 = 32;

/// The namespaces of one task: an inode number for each of [`KINDS`], `None`
/// where the kernel has none of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespaces([Option<u64>; KINDS.len()]);

impl Namespaces {
    /// The namespaces of a task.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] when the task is, [`Error::Proc`] without the right to
    /// ptrace it.
    pub fn of(pid: Pid) -> Result<Self> {
        let path = proc::path(pid, "ns");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = open(&path, flags, Mode::empty());
        let dir = dir.map_err(|errno| proc::error(pid, path, errno.into()))?;
        let mut inodes = [None; KINDS.len()];
        for (inode, kind) in inodes.iter_mut().zip(KINDS) {
            *inode = inode_behind(pid, (dir.as_fd(), kind), kind)?;
        }
        Ok(Self(inodes))
    }

    /// Our own namespaces.
    ///
    /// # Errors
    ///
    /// Where /proc is not mounted.
    pub fn own() -> Result<Self> {
        Self::of(own_pid())
    }

    /// Whether the children of this task would be born into another time namespace than its own
    /// (time_namespaces(7)).
    ///
    /// # Errors
    ///
    /// As [`Namespaces::of`].
    pub fn have_time_for_children(&self, pid: Pid) -> Result<bool> {
        self.have_another_for_children(pid, "time")
    }

    /// The same of pid namespaces (pid_namespaces(7)): of one that has no task yet, there is no link.
    ///
    /// # Errors
    ///
    /// As [`Namespaces::of`].
    pub fn have_pids_for_children(&self, pid: Pid) -> Result<bool> {
        self.have_another_for_children(pid, "pid")
    }

    fn have_another_for_children(&self, pid: Pid, kind: &str) -> Result<bool> {
        let own = place_of(kind).and_then(|place| self.0[place]);
        Ok(inode_of(pid, &format!("{kind}_for_children"))? != own)
    }

    /// The kinds in which two tasks differ.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0).zip(KINDS);
        pairs
            .filter(|((a, b), _)| a != b)
            .map(|(_, kind)| kind)
            .collect()
    }

    /// The id of the namespace of a kind, if `inode` is that of this task, the root of a tree.
    pub fn id_of(&self, own: &Self, kind: &str, inode: u64) -> Option<u32> {
        let place = place_of(kind)?;
        (self.0[place] == Some(inode)).then(|| self.id(own, place, inode))
    }

    /// The kinds in which a task must not differ from this one, the root of its tree, but does.
    pub fn foreign(&self, own: &Self, task: &Self) -> Vec<&'static str> {
        let (of_tree, of_task) = (self.differences(own), task.differences(own));
        let may_differ = |kind: &str| {
            SEVERAL.contains(&kind) && of_tree.contains(&kind) && of_task.contains(&kind)
        };
        let mut kinds = task.differences(self);
        kinds.retain(|kind| !may_differ(kind));
        kinds
    }

    /// The id of a namespace in the tree of this task, the root: the place in [`KINDS`] for ours, the
    /// numbers behind for those of the root, and any others for the rest.
    fn id(&self, own: &Self, place: usize, inode: u64) -> u32 {
        match Some(inode) {
            inode if own.0[place] == inode => place as u32 + 1,
            inode if self.0[place] == inode => (place + 1 + KINDS.len()) as u32,
            _ => (inode as u32)
                .wrapping_sub(FIRST_INODE)
                .wrapping_add(OTHERS),
        }
    }

    /// Puts the ids of a task's namespaces, in the tree of this one, the root, into its ids.
    pub fn fill(&self, own: &Self, task: &Self, ids: &mut TaskKobjIdsEntry) {
        let fields = [
            &mut ids.pid_ns_id,
            &mut ids.net_ns_id,
            &mut ids.ipc_ns_id,
            &mut ids.uts_ns_id,
            &mut ids.time_ns_id,
            &mut ids.mnt_ns_id,
            &mut ids.user_ns_id,
            &mut ids.cgroup_ns_id,
        ];
        for (place, (field, inode)) in fields.into_iter().zip(task.0).enumerate() {
            *field = inode.map(|inode| self.id(own, place, inode));
        }
    }
}

/// The id of the tree's namespace of a kind of which we have another one.
pub fn tree_id(kind: &str) -> u32 {
    let place = place_of(kind).expect("one of the kinds");
    (place + 1 + KINDS.len()) as u32
}

fn place_of(kind: &str) -> Option<usize> {
    KINDS.iter().position(|known| *known == kind)
}

/// The ids of the namespaces of a tree.
#[derive(Clone, Copy, Debug)]
pub struct IdsOfTree {
    own: Namespaces,
    root: Namespaces,
}

impl IdsOfTree {
    /// Of the tree whose root lives in `root`, with ours.
    pub const fn between(own: Namespaces, root: Namespaces) -> Self {
        Self { own, root }
    }

    /// Of the tree of `root`.
    ///
    /// # Errors
    ///
    /// As [`Namespaces::of`].
    pub fn of(root: Pid) -> Result<Self> {
        Ok(Self {
            own: Namespaces::own()?,
            root: Namespaces::of(root)?,
        })
    }

    /// Ours.
    pub const fn own(&self) -> Namespaces {
        self.own
    }

    /// Whether the root of the tree lives in another namespace of a kind than we do.
    pub fn has_own(&self, kind: &str) -> bool {
        place_of(kind).is_some_and(|place| self.root.0[place] != self.own.0[place])
    }

    /// That of a task's namespace of a kind; `None` where the kernel has no such kind.
    ///
    /// # Errors
    ///
    /// As [`Namespaces::of`].
    pub fn of_task(&self, task: Pid, kind: &str) -> Result<Option<u32>> {
        Ok(inode_of(task, kind)?.and_then(|inode| self.of_inode(kind, inode)))
    }

    /// Whether the root of the tree lives in a namespace of a kind.
    pub fn is_of_root(&self, kind: &str, inode: u64) -> bool {
        place_of(kind).is_some_and(|place| self.root.0[place] == Some(inode))
    }

    /// That of a namespace of a kind.
    pub fn of_inode(&self, kind: &str, inode: u64) -> Option<u32> {
        Some(self.root.id(&self.own, place_of(kind)?, inode))
    }
}

/// Whether a task lives in another namespace of a kind than we do.
///
/// # Errors
///
/// As [`Namespaces::of`].
pub fn has_own(pid: Pid, kind: &str) -> Result<bool> {
    Ok(inode_of(pid, kind)? != inode_of(own_pid(), kind)?)
}

/// Calls `work` in a thread that is in a task's namespace of a kind; ours stay where they are.
///
/// # Errors
///
/// Those of `work`; where the namespace cannot be entered.
pub fn inside<T: Send>(pid: Pid, kind: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let path = proc::path(pid, &format!("ns/{kind}"));
    let namespace = File::open(&path).map_err(|source| proc::error(pid, path, source))?;
    let failed = |errno| Error::Sys(commensal_sys::Error::new("setns", pid.get(), errno));
    let result = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), None).map_err(failed)?;
            work()
        });
        thread.join()
    });
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The inode of a task's namespace, `None` where the kernel has no such kind.
///
/// # Errors
///
/// As [`Namespaces::of`].
pub fn inode_of(pid: Pid, kind: &str) -> Result<Option<u64>> {
    let link = proc::path(pid, &format!("ns/{kind}"));
    inode_behind(pid, (CWD, &link), kind)
}

/// The inode that such a link has in its text, `net:[4026531840]`. To follow it takes much longer: the
/// kernel makes an inode then.
fn inode_behind(pid: Pid, (dir, link): (BorrowedFd<'_>, &str), kind: &str) -> Result<Option<u64>> {
    let path = || proc::path(pid, &format!("ns/{kind}"));
    match readlinkat(dir, link, Vec::new()) {
        Ok(text) => match parse(text.to_bytes()) {
            Some(inode) => Ok(Some(inode)),
            None => Err(proc::unexpected(path(), text.to_bytes())),
        },
        Err(errno) => match proc::error(pid, path(), errno.into()) {
            Error::Proc { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            error => Err(error),
        },
    }
}

fn parse(link: &[u8]) -> Option<u64> {
    let (_, inode) = str::from_utf8(link).ok()?.split_once(":[")?;
    inode.strip_suffix(']')?.parse().ok()
}

/// Our own process id.
pub fn own_pid() -> Pid {
    Pid::new(std::process::id() as i32).expect("the kernel gives positive pids")
}

#[cfg(test)]
mod tests;
