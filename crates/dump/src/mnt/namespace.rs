//! The mount namespaces that the tasks of a tree live in.

use commensal_sys::Pid;
use rustix::fs::{AtFlags, major, minor};

use super::root::{self, Root, is_shut_in};
use super::{Mount, MountChoices, Mounts};
use crate::pidns::Pids;
use crate::tree::namespaces::{IdsOfTree, own_pid, tree_id};
use crate::userns::{self, Users};
use crate::{Error, Place, Refusal, Result};

/// One mount namespace.
#[derive(Debug)]
pub struct Namespace {
    /// Its number in the images.
    pub id: u32,
    /// The task that shows it: of those in it, the one with the lowest id. The restore looks up paths
    /// from its root directory.
    pub task: Pid,
    /// Where its paths begin.
    pub root: Root,
    /// Its mounts.
    pub mounts: Mounts,
}

impl Namespace {
    fn of(task: Pid, id: u32, choices: &MountChoices) -> Result<Self> {
        Ok(Self {
            id,
            task,
            root: Root::of(task)?,
            mounts: Mounts::of_tree(task, choices)?,
        })
    }
}

/// The mount namespaces of a tree, that of its root first: ours alone, or some of the tree's own.
#[derive(Debug)]
pub struct Namespaces(Vec<Namespace>);

impl Namespaces {
    /// Of these live tasks, the root first, which the tree calls as `pids` has it, and whose namespaces have
    /// these `ids`. A task that has ended is left out.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn of(
        tasks: &[Pid],
        (pids, ids): (&Pids, &IdsOfTree),
        choices: &MountChoices,
    ) -> Result<Self> {
        if !ids.has_own("mnt") {
            return Self::ours();
        }
        let root = tasks.first().copied().unwrap_or_else(own_pid);
        let first = tree_id("mnt");
        // A root of the tree that is shut in shows its namespace, so that this is refused.
        let shut_in = is_shut_in(root)?;
        let mut ordered = tasks.to_vec();
        ordered.sort_by_key(|task| (!shut_in || *task != root, pids.task(*task).ok()));
        let mut found: Vec<Namespace> = Vec::new();
        for task in ordered {
            match ids.of_task(task, "mnt").map(Option::unwrap_or_default) {
                Ok(id) if found.iter().any(|known| known.id == id) => {}
                Ok(id) => match Namespace::of(task, id, choices) {
                    Ok(namespace) if id == first => found.insert(0, namespace),
                    Ok(namespace) => found.push(namespace),
                    Err(error) => unless_ended(task, root, error)?,
                },
                Err(error) => unless_ended(task, root, error)?,
            }
        }
        Ok(Self(found))
    }

    /// Of the lines of mountinfo in each.
    #[cfg(test)]
    pub fn parsed(namespaces: &[&[&str]]) -> Self {
        let parse = |lines: &&[&str]| Namespace {
            id: 0,
            task: own_pid(),
            root: Root::OURS,
            mounts: Mounts::parse(lines.iter().map(|line| line.as_bytes())).unwrap(),
        };
        Self(namespaces.iter().map(parse).collect())
    }

    /// Of a tree that lives in ours. Its mounts are those that we see: a root directory that
    /// chroot(2) made hides others from the tree.
    fn ours() -> Result<Self> {
        Ok(Self(vec![Namespace {
            id: 0,
            task: own_pid(),
            root: Root::OURS,
            mounts: Mounts::of(own_pid())?,
        }]))
    }

    /// What is refused of them, before any of their mounts; the tree has these `users`.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn check(&self, users: &Users) -> Result<Vec<Refusal>> {
        let mut refusals = Vec::new();
        for Namespace { task, .. } in &self.0 {
            if is_shut_in(*task)? {
                refusals.push(root::refusal(*task));
            }
            if users.are_own() && !userns::is_owned(*task, "mnt")? {
                refusals.push(Refusal {
                    what: "in a mount namespace that its user namespace does not own".into(),
                    place: Place::Task { pid: *task },
                    reason: "the restore makes all namespaces of the tree in its user namespace"
                        .into(),
                    remedy: "make the mount namespace from within the user namespace".into(),
                });
            }
        }
        Ok(refusals)
    }

    /// Whether they are the tree's own.
    pub fn are_own(&self) -> bool {
        self.first().root.is_own()
    }

    /// That of the root of the tree.
    pub fn first(&self) -> &Namespace {
        &self.0[0]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Namespace> + Clone {
        self.0.iter()
    }

    /// All mounts of all of them.
    pub fn mounts(&self) -> impl Iterator<Item = &Mount> + Clone {
        self.0.iter().flat_map(|namespace| namespace.mounts.iter())
    }

    /// The mount with this number, which no two have, and the namespace it is in.
    pub fn mount(&self, id: u64) -> Option<(&Namespace, &Mount)> {
        let mut all = self.0.iter();
        all.find_map(|namespace| Some((namespace, namespace.mounts.by_id(id)?)))
    }

    /// Where the paths of files on a mount begin: in the first namespace for a mount that is in none.
    pub fn root_of(&self, mount: u64) -> &Root {
        let found = self.mount(mount);
        found.map_or(&self.first().root, |(namespace, _)| &namespace.root)
    }

    /// The number of a mount for the images, which have none of our own mounts.
    pub fn mount_for_image(&self, id: u64) -> Option<u32> {
        let (namespace, mount) = self.mount(id)?;
        u32::try_from(mount.id)
            .ok()
            .filter(|_| namespace.root.is_own())
    }

    /// The mounts of a file system, each with the root of its namespace.
    pub fn of_device(&self, dev: (u32, u32)) -> impl Iterator<Item = (&Root, &Mount)> {
        self.0.iter().flat_map(move |namespace| {
            let mounts = namespace.mounts.of_device(dev);
            mounts.map(|mount| (&namespace.root, mount))
        })
    }

    /// A mount of a file system whose mount point leads there: no other mount lies over it.
    pub fn reachable(&self, dev: (u32, u32)) -> Option<&Mount> {
        let leads_there = |(root, mount): &(&Root, &Mount)| {
            let found = root.stat(&mount.point, AtFlags::empty());
            found.is_ok_and(|stat| (major(stat.dev), minor(stat.dev)) == dev)
        };
        self.of_device(dev)
            .find(leads_there)
            .map(|(_, mount)| mount)
    }
}

/// An error of a task that is still there, or of the root, is one.
fn unless_ended(task: Pid, root: Pid, error: Error) -> Result<()> {
    match task != root && crate::proc::has_ended(task) {
        true => Ok(()),
        false => Err(error),
    }
}
