//! A pid namespace of the tree's own (pid_namespaces(7)): the ids that its tasks have inside.
//!
//! The kernel tells us ids as our own pid namespace has them ([`Pid`], [`Tid`]); the images have
//! those that the tree itself sees ([`VirtualId`]). Where the tree lives in our namespace, the
//! two are the same and nothing is asked.

use std::collections::HashMap;

use commensal_images::Image;
use commensal_sys::{Pid, Tid};

use crate::proc::Status;
use crate::tree::namespaces::IdsOfTree;
use crate::{Error, Place, Refusal, Result};

/// The id of a task, thread, process group or session as the tree sees it; 0 for none.
///
/// It is no id of ours, nor a number that could be taken for one:
///
/// ```compile_fail,E0308
/// # use commensal_dump::pidns::VirtualId;
/// # use commensal_sys::Pid;
/// fn core(pid: Pid) -> commensal_images::Image {
///     VirtualId::core(pid)
/// }
/// ```
///
/// ```
/// # use commensal_dump::pidns::Pids;
/// # use commensal_sys::Pid;
/// fn core(pid: Pid, pids: &Pids) -> commensal_dump::Result<commensal_images::Image> {
///     Ok(pids.task(pid)?.core())
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualId(i32);

impl VirtualId {
    /// No task, group or session.
    pub const NONE: Self = Self(0);

    /// The id as the images have it.
    pub fn for_image(self) -> u32 {
        self.0 as u32
    }

    /// The image of this thread's state.
    pub fn core(self) -> Image {
        Image::Core(self.for_image())
    }

    /// The image that lists this task's pages.
    pub fn pagemap(self) -> Image {
        Image::Pagemap(u64::from(self.for_image()))
    }
}

/// What the tasks of a tree are called inside.
#[derive(Clone, Debug, Default)]
pub struct Pids(Option<HashMap<i32, VirtualId>>);

impl Pids {
    /// Of a tree in our own pid namespace.
    pub const OURS: Self = Self(None);

    /// Of these tasks, the root first, with their threads, in the tree with these namespaces. A task that is
    /// gone is left out.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn of(tree: &IdsOfTree, tasks: impl Iterator<Item = (Pid, Vec<Tid>)>) -> Result<Self> {
        let mut pids = match tree.has_own("pid") {
            true => Self(Some(HashMap::new())),
            false => return Ok(Self::OURS),
        };
        pids.refresh(tasks)?;
        Ok(pids)
    }

    /// Whether the tree has a pid namespace of its own.
    pub fn are_own(&self) -> bool {
        self.0.is_some()
    }

    /// Reads the ids of these tasks anew; of our own namespace there is nothing to read.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn refresh(&mut self, tasks: impl Iterator<Item = (Pid, Vec<Tid>)>) -> Result<()> {
        let Some(known) = &mut self.0 else {
            return Ok(());
        };
        known.clear();
        for (pid, threads) in tasks {
            match add(known, pid, &threads) {
                Err(Error::Gone { .. }) => {}
                added => added?,
            }
        }
        Ok(())
    }

    /// What the tree calls a task.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] for one that was not there.
    pub fn task(&self, pid: Pid) -> Result<VirtualId> {
        self.find(pid.get()).ok_or(Error::Gone { pid })
    }

    /// What the tree calls a thread of task `pid`.
    ///
    /// # Errors
    ///
    /// As [`Pids::task`].
    pub fn thread(&self, pid: Pid, tid: Tid) -> Result<VirtualId> {
        self.find(tid.get()).ok_or(Error::Gone { pid })
    }

    /// What the tree calls a task, thread, group or session that the kernel told us of; `None`
    /// for one that is outside of the tree's own namespace, or not of the tree.
    pub fn find(&self, id: i32) -> Option<VirtualId> {
        match &self.0 {
            None => Some(VirtualId(id)),
            Some(_) if id == 0 => Some(VirtualId::NONE),
            Some(known) => known.get(&id).copied(),
        }
    }

    /// Whether a task or thread of the tree has this id in the tree's own namespace; `None`
    /// where there is no such namespace.
    pub fn has_inside(&self, id: i32) -> Option<bool> {
        let known = self.0.as_ref()?;
        Some(known.values().any(|inside| inside.0 == id))
    }

    /// The process group and the session of a task, as the kernel told us of them.
    ///
    /// # Errors
    ///
    /// Refused where the session's leader is outside of the tree's own namespace.
    pub fn group_and_session(
        &self,
        pid: Pid,
        pgid: i32,
        sid: i32,
    ) -> Result<(VirtualId, VirtualId)> {
        match (self.find(pgid), self.find(sid)) {
            (Some(pgid), Some(sid)) if sid != VirtualId::NONE || !self.are_own() => Ok((pgid, sid)),
            _ => Err(outside_session(pid).into()),
        }
    }
}

fn add(known: &mut HashMap<i32, VirtualId>, pid: Pid, threads: &[Tid]) -> Result<()> {
    let status = Status::of_task(pid)?;
    for (ours, inside) in [
        (pid.get(), status.inside.pid),
        (status.pgid, status.inside.pgid),
        (status.sid, status.inside.sid),
    ] {
        if inside != 0 {
            known.insert(ours, VirtualId(inside));
        }
    }
    for &tid in threads.iter().filter(|&&tid| tid != pid.leader()) {
        let inside = Status::of_thread(pid, tid)?.inside.pid;
        known.insert(tid.get(), VirtualId(inside));
    }
    Ok(())
}

/// What a running task of such a namespace is refused for; `root` is that of the tree.
pub fn check(pid: Pid, status: &Status, root: &Status) -> Option<Refusal> {
    if status.pid_namespaces != root.pid_namespaces {
        return Some(nested(pid));
    }
    if root.tgid == Some(pid) && status.inside.pid != 1 {
        return Some(Refusal {
            what: format!("task {} of a pid namespace", status.inside.pid),
            place: Place::Task { pid },
            reason: "the namespace cannot be restored without its first task".into(),
            remedy: "dump the tree of the namespace's init, its pid 1".into(),
        });
    }
    (status.inside.sid == 0).then(|| outside_session(pid))
}

fn nested(pid: Pid) -> Refusal {
    Refusal {
        what: "in another pid namespace than the root of the tree".into(),
        place: Place::Task { pid },
        reason: "a nested pid namespace is not dumped".into(),
        remedy: "dump the trees of the two namespaces each by its own".into(),
    }
}

fn outside_session(pid: Pid) -> Refusal {
    Refusal {
        what: "in a session whose leader is outside of its pid namespace".into(),
        place: Place::Task { pid },
        reason: "the session has no id inside, so the restore could not make it".into(),
        remedy: "let the first task of the namespace call setsid(2), or start it with setsid(1)"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Pids {
        let known = [(700, 1), (701, 2), (705, 1)];
        Pids(Some(
            known
                .into_iter()
                .map(|(ours, inside)| (ours, VirtualId(inside)))
                .collect(),
        ))
    }

    #[test]
    fn ids_of_our_namespace_stay_as_they_are() {
        let pid = Pid::new(17).unwrap();
        assert_eq!(Pids::OURS.task(pid).unwrap(), VirtualId(17));
        assert_eq!(Pids::OURS.find(0), Some(VirtualId::NONE));
        let same = Pids::OURS.group_and_session(pid, 4, 0).unwrap();
        assert_eq!(same, (VirtualId(4), VirtualId::NONE));
    }

    #[test]
    fn ids_of_another_namespace_are_looked_up() {
        let pids = own();
        assert_eq!(pids.find(701), Some(VirtualId(2)));
        assert_eq!(pids.find(0), Some(VirtualId::NONE));
        assert_eq!(pids.find(9), None);
        assert!(matches!(
            pids.task(Pid::new(9).unwrap()),
            Err(Error::Gone { .. })
        ));
    }

    #[test]
    fn a_session_from_outside_is_refused() {
        let pid = Pid::new(701).unwrap();
        assert!(own().group_and_session(pid, 700, 700).is_ok());
        assert!(own().group_and_session(pid, 700, 0).is_err());
        assert!(own().group_and_session(pid, 700, 9).is_err());
    }
}
