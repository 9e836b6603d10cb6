//! What stands against a tree in a user namespace of its own.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use commensal_sys::{Errno, Pid, namespace};

use super::{Maps, Unmapped, Users};
use crate::proc::{self, Status};
use crate::tree::namespaces::{KINDS, has_own, own_pid};
use crate::{Error, Options, Place, Refusal, Result};

/// The kinds of namespaces without which no user namespace can be restored: the restore mounts a
/// /proc of its own, for which both must belong to the user namespace.
const NEEDED: [&str; 2] = ["pid", "mnt"];

/// What is refused of the namespaces of the tree of `root`, which has these `users`.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn check(root: Pid, users: &Users) -> Result<Vec<Refusal>> {
    let Some(maps) = &users.0 else {
        return Ok(Vec::new());
    };
    let mut refusals = Vec::new();
    let refuse = |what: &str, reason: &str, remedy: &str| Refusal {
        what: what.into(),
        place: Place::Task { pid: root },
        reason: reason.into(),
        remedy: remedy.into(),
    };
    if !is_child_of_ours(root)? {
        refusals.push(refuse(
            "in a user namespace whose parent is not the dumper's",
            "its ids are mapped to those of its parent, which the images do not have",
            "run the dump in the parent of that user namespace",
        ));
        return Ok(refusals);
    }
    if maps.are_empty() {
        refusals.push(refuse(
            "in a user namespace without a map of users or of groups",
            "no user in it has an id",
            "write /proc/PID/uid_map and gid_map first (user_namespaces(7))",
        ));
    } else if !maps.users.has_inside(0) || !maps.groups.has_inside(0) {
        refusals.push(refuse(
            "in a user namespace that has no user 0 or no group 0",
            "the restore makes the tree as root of its namespace",
            "map them, too, for example: unshare --map-root-user --map-users ...",
        ));
    }
    for kind in KINDS.into_iter().filter(|kind| *kind != "user") {
        match (has_own(root, kind)?, NEEDED.contains(&kind)) {
            (true, _) if !is_owned(root, kind)? => refusals.push(foreign(root, kind)),
            (false, true) => refusals.push(refuse(
                &format!("in a user namespace of its own, but in our {kind} namespace"),
                "the restore mounts a /proc of its own, which needs pid and mount namespaces of \
                 the user namespace",
                "start it in all three: unshare --user --pid --fork --mount-proc ...",
            )),
            _ => {}
        }
    }
    Ok(refusals)
}

impl Users {
    /// Warns of the supplementary groups of a task that the images do not have, as they have no id
    /// in the namespace.
    pub fn warn_of_groups(&self, pid: Pid, status: &Status) {
        let lost = status.groups.iter().filter_map(|gid| self.gid(*gid).err());
        for unmapped in lost {
            tracing::warn!(
                "task {pid} is not in {unmapped} after a restore: it has no id for that"
            );
        }
    }

    /// Warns of what the images do not have: that setgroups(2) is forbidden in the namespace; and of
    /// what the restore takes.
    pub fn warn(&self, root: Pid, options: &Options) {
        if !self.are_own() {
            return;
        }
        if proc::read(root, "setgroups").is_ok_and(|text| text.starts_with(b"deny")) {
            tracing::warn!(
                "task {root}: its user namespace forbids setgroups(2), the restored one will not"
            );
        }
        if options.lazy_pages.is_some() {
            tracing::warn!(
                "task {root}: its memory can only be fetched later (--lazy-pages) where the tasks of a \
                 user namespace may use userfaultfd(2): sysctl vm.unprivileged_userfaultfd=1 on the \
                 host of the restore"
            );
        }
    }
}

/// The refusal of a task in a user namespace that the root of the tree is not in.
pub fn nested(pid: Pid) -> Refusal {
    Refusal {
        what: "in another user namespace than the root of the tree".into(),
        place: Place::Task { pid },
        reason: "a nested user namespace is not dumped".into(),
        remedy: "dump the trees of the two namespaces each by its own".into(),
    }
}

/// The refusal of a task whose network namespace, another than that of the root of the tree, does
/// not belong to its user namespace.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn foreign_network(pid: Pid) -> Result<Option<Refusal>> {
    if !has_own(pid, "user")? || is_owned(pid, "net")? {
        return Ok(None);
    }
    Ok(Some(foreign(pid, "net")))
}

/// The refusal of a task in a namespace of a kind that its user namespace does not own.
fn foreign(pid: Pid, kind: &str) -> Refusal {
    Refusal {
        what: format!("in a {kind} namespace that its user namespace does not own"),
        place: Place::Task { pid },
        reason: "the restore makes all namespaces of the tree in its user namespace".into(),
        remedy: "make the user namespace first, or together with the others: unshare --user ..."
            .into(),
    }
}

/// What is refused of the ids of a task with this `status`.
pub fn check_task(pid: Pid, status: &Status, users: &Users, options: &Options) -> Vec<Refusal> {
    let unmapped = |found: Unmapped, what: &str, remedy: &str| Refusal {
        what: format!("{what} {found}"),
        place: Place::Task { pid },
        reason: "it has no id in the tree's user namespace".into(),
        remedy: remedy.into(),
    };
    let mut refusals = Vec::new();
    // Where nobody has an id, that is what is refused.
    if users.0.as_ref().is_some_and(Maps::are_empty) {
        return refusals;
    }
    let uids = status.uid.iter().filter_map(|uid| users.uid(*uid).err());
    let gids = status.gid.iter().filter_map(|gid| users.gid(*gid).err());
    for found in uids.chain(gids) {
        let remedy = "let the task become a user of the namespace (setresuid(2), setresgid(2))";
        let refusal = unmapped(found, "a task of", remedy);
        if !refusals.contains(&refusal) {
            refusals.push(refusal);
        }
    }
    if !options.accept_loss {
        let groups = status.groups.iter();
        refusals.extend(groups.filter_map(|gid| users.gid(*gid).err()).map(|found| {
            let remedy = "let it leave the group before it enters the namespace (setpriv \
                          --clear-groups), or accept that the restored task is not in it: \
                          --accept-loss";
            unmapped(found, "a task with the supplementary", remedy)
        }));
    }
    refusals
}

/// Whether our own user namespace is the parent of a task's.
fn is_child_of_ours(pid: Pid) -> Result<bool> {
    let namespace = open(pid, "user")?;
    match namespace::parent(namespace.as_fd()) {
        Ok(parent) => is_same(File::from(parent), open(own_pid(), "user")?),
        // It is outside of what we may see.
        Err(Errno::PERM) => Ok(false),
        Err(errno) => Err(failed("NS_GET_PARENT", pid, errno)),
    }
}

/// Whether a task's namespace of a kind belongs to its user namespace.
pub fn is_owned(pid: Pid, kind: &str) -> Result<bool> {
    let namespace = open(pid, kind)?;
    match namespace::owner(namespace.as_fd()) {
        Ok(owner) => is_same(File::from(owner), open(pid, "user")?),
        Err(Errno::PERM) => Ok(false),
        Err(errno) => Err(failed("NS_GET_USERNS", pid, errno)),
    }
}

fn is_same(one: File, other: File) -> Result<bool> {
    let inode = |file: File| {
        let meta = file.metadata().map_err(|source| Error::Proc {
            path: "/proc/PID/ns".into(),
            source,
        })?;
        Ok::<_, Error>((meta.dev(), meta.ino()))
    };
    Ok(inode(one)? == inode(other)?)
}

fn open(pid: Pid, kind: &str) -> Result<File> {
    let path = proc::path(pid, &format!("ns/{kind}"));
    File::open(&path).map_err(|source| proc::error(pid, path, source))
}

fn failed(call: &'static str, pid: Pid, errno: Errno) -> Error {
    Error::Sys(commensal_sys::Error::new(call, pid.get(), errno))
}

#[cfg(test)]
mod tests {
    use super::super::{Gid, Uid};
    use super::*;

    fn status(uid: u32, group: u32) -> Status {
        Status {
            uid: [Uid::told(uid); 4],
            gid: [Gid::told(0); 4],
            groups: vec![Gid::told(0), Gid::told(group)],
            ..Status::default()
        }
    }

    fn found(status: &Status, accept_loss: bool) -> Vec<String> {
        let users = Users::with_maps("0 20000 10\n", "0 0 10\n");
        let options = Options {
            accept_loss,
            ..Options::default()
        };
        let refusals = check_task(Pid::new(1).unwrap(), status, &users, &options);
        refusals.into_iter().map(|refusal| refusal.what).collect()
    }

    #[test]
    fn a_user_without_an_id_is_named_once() {
        assert_eq!(found(&status(20003, 9), false), [""; 0]);
        assert_eq!(found(&status(5, 9), false), ["a task of user 5"]);
    }

    #[test]
    fn a_group_without_an_id_can_be_lost() {
        let expected = ["a task with the supplementary group 27"];
        assert_eq!(found(&status(20000, 27), false), expected);
        assert_eq!(found(&status(20000, 27), true), [""; 0]);
    }
}
