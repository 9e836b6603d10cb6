//! The identities of what tasks can share: address space, descriptor table,
//! filesystem state, signal actions.

use core::cmp::Ordering;

use commensal_images::messages::TaskKobjIdsEntry;
use commensal_sys::Pid;
use commensal_sys::kcmp::{self, Resource};

use super::namespaces::{Namespaces, own_pid};
use crate::{Place, Refusal, Result};

/// The objects of one kind that were met, in the kernel's order, each with a
/// task that has it and its id.
#[derive(Debug)]
struct Register {
    resource: Resource,
    known: Vec<(Pid, u32)>,
}

impl Register {
    fn new(resource: Resource) -> Self {
        Self {
            resource,
            known: Vec::new(),
        }
    }

    /// The id of the task's object; and the task that had it first, if any.
    fn id(&mut self, pid: Pid) -> Result<(u32, Option<Pid>)> {
        let mut failed = None;
        let found = self.known.binary_search_by(|&(known, _)| {
            kcmp::tasks(known, pid, self.resource).unwrap_or_else(|error| {
                failed = Some(error);
                Ordering::Equal
            })
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        Ok(match found {
            Ok(at) => (self.known[at].1, Some(self.known[at].0)),
            Err(at) => {
                let id = self.known.len() as u32 + 1;
                self.known.insert(at, (pid, id));
                (id, None)
            }
        })
    }
}

/// Gives every task of a dump the ids of its objects. Ours are the first.
#[derive(Debug)]
pub struct Ids {
    registers: [Register; 4],
    own: TaskKobjIdsEntry,
    namespaces: Namespaces,
    /// Those of the first task.
    of_tree: Option<Namespaces>,
}

impl Ids {
    /// Ids with only our own task in them.
    ///
    /// # Errors
    ///
    /// Where the kernel has no kcmp(2).
    pub fn new() -> Result<Self> {
        let kinds = [
            Resource::Vm,
            Resource::Files,
            Resource::Fs,
            Resource::Sighand,
        ];
        let mut ids = Self {
            registers: kinds.map(Register::new),
            own: TaskKobjIdsEntry::default(),
            namespaces: Namespaces::own()?,
            of_tree: None,
        };
        ids.own = ids.all(own_pid(), ids.namespaces)?.0;
        Ok(ids)
    }

    /// The ids of the dumping task, for the inventory.
    pub fn own(&self) -> &TaskKobjIdsEntry {
        &self.own
    }

    /// The ids of a task that stands still, the root of the tree first.
    ///
    /// # Errors
    ///
    /// Refused where the task shares with another one what a restore cannot
    /// make shared again: anything but the descriptor table; and where it is in
    /// other namespaces than the root.
    pub fn of(&mut self, pid: Pid) -> Result<TaskKobjIdsEntry> {
        let namespaces = Namespaces::of(pid)?;
        let of_tree = self.of_tree.get_or_insert(namespaces);
        if let Some(kind) = of_tree.foreign(&self.namespaces, &namespaces).first() {
            return Err(elsewhere(pid, kind).into());
        }
        let (ids, owners) = self.all(pid, namespaces)?;
        let names = [
            "its address space (CLONE_VM)",
            "",
            "its working directory and umask (CLONE_FS)",
            "its signal actions (CLONE_SIGHAND)",
        ];
        for (owner, what) in owners.into_iter().zip(names) {
            if let Some(owner) = owner
                && !what.is_empty()
            {
                return Err(shared(pid, owner, what).into());
            }
        }
        Ok(ids)
    }

    fn all(
        &mut self,
        pid: Pid,
        namespaces: Namespaces,
    ) -> Result<(TaskKobjIdsEntry, [Option<Pid>; 4])> {
        let mut found = [(0, None); 4];
        for (found, register) in found.iter_mut().zip(&mut self.registers) {
            *found = register.id(pid)?;
        }
        let [vm, files, fs, sighand] = found;
        let mut ids = TaskKobjIdsEntry {
            vm_id: vm.0,
            files_id: files.0,
            fs_id: fs.0,
            sighand_id: sighand.0,
            ..Default::default()
        };
        let of_tree = self.of_tree.unwrap_or(namespaces);
        of_tree.fill(&self.namespaces, &namespaces, &mut ids);
        Ok((ids, found.map(|(_, owner)| owner)))
    }
}

/// The refusal of a task in another namespace than the root of the tree, which may not be.
pub fn elsewhere(pid: Pid, kind: &str) -> Refusal {
    let remedy = match kind {
        "mnt" => {
            "start the whole tree in a mount namespace (unshare --mount), or dump the trees of the \
             two namespaces each by its own"
        }
        "net" => {
            "start the whole tree in a network namespace (unshare --net), or dump the trees of the \
             two namespaces each by its own"
        }
        _ => "dump the trees of the two namespaces each by its own",
    };
    Refusal {
        what: format!("in another {kind} namespace than the root of the tree"),
        place: Place::Task { pid },
        reason: "the restore makes such a namespace only for the root, and of mount and network \
                 namespaces more only where the root has one of its own"
            .into(),
        remedy: remedy.into(),
    }
}

fn shared(pid: Pid, owner: Pid, what: &str) -> Refusal {
    Refusal {
        what: format!("a task that shares {what} with task {owner}"),
        place: Place::Task { pid },
        reason: "stock `criu restore` gives every task its own".into(),
        remedy: "wait until the task has called execve(2) or ended (a vfork(2) child does soon), \
                 or start it without that flag"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_of_fork_has_everything_of_its_own() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::new(child.id() as i32).unwrap();
        let mut ids = Ids::new().unwrap();
        let first = ids.of(pid);
        let again = ids.of(pid);
        drop(child.stdin.take());
        child.wait().unwrap();
        let (first, own) = (first.unwrap(), ids.own());
        assert_eq!(
            (own.vm_id, own.files_id, own.fs_id, own.sighand_id),
            (1, 1, 1, 1)
        );
        assert_eq!(
            (first.vm_id, first.files_id, first.fs_id, first.sighand_id),
            (2, 2, 2, 2)
        );
        assert_eq!(first.pid_ns_id, own.pid_ns_id);
        // Met a second time, the address space is another task's.
        assert!(matches!(again, Err(crate::Error::Refused(_))));
    }
}
