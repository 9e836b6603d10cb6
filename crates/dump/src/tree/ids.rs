//! The identities of what tasks can share: address space, descriptor table,
//! filesystem state, signal actions, namespaces.

mod register;

use std::collections::HashMap;

use commensal_images::messages::TaskKobjIdsEntry;
use commensal_sys::Pid;
use commensal_sys::kcmp::Resource;
use commensal_sys::task_iter::Objects;

use super::namespaces::{IdsOfTree, Namespaces, own_pid};
use crate::{Place, Refusal, Result};
use register::Register;

/// Gives every task of a dump the ids of its objects. Ours are the first.
#[derive(Clone, Debug)]
pub struct Ids {
    registers: [Register; 4],
    own: TaskKobjIdsEntry,
    namespaces: Namespaces,
    /// Those of the first task.
    of_tree: Option<Namespaces>,
    /// Those that tasks live in, each with the first that does.
    lived_in: Vec<(Pid, Namespaces)>,
    /// The places in `lived_in`, by what the kernel has for them.
    told: HashMap<(u64, u64, u32), usize>,
}

impl Ids {
    /// Ids with only our own task in them, which lives in these `namespaces`.
    ///
    /// # Errors
    ///
    /// Where the kernel has no kcmp(2).
    pub fn new(namespaces: Namespaces) -> Result<Self> {
        let kinds = [
            Resource::Vm,
            Resource::Files,
            Resource::Fs,
            Resource::Sighand,
        ];
        let mut ids = Self {
            registers: kinds.map(Register::new),
            own: TaskKobjIdsEntry::default(),
            namespaces,
            of_tree: None,
            lived_in: Vec::new(),
            told: HashMap::new(),
        };
        let objects = ids.objects(own_pid(), None)?;
        ids.own = ids.entry(objects, namespaces);
        Ok(ids)
    }

    /// From here on the kernel's records tell of all tasks of the tree, as they tell of us.
    pub fn are_told(&mut self, own: &Objects) {
        for (register, number) in self.registers.iter_mut().zip(numbers(own)) {
            register.is_told(own_pid(), number);
        }
    }

    /// For each set of namespaces that tasks live in one that does, the root of the tree first.
    pub fn one_for_each_namespace(&self) -> Vec<Pid> {
        self.lived_in.iter().map(|(pid, _)| *pid).collect()
    }

    /// The ids of namespaces of the tree, once its root has been met.
    pub fn of_namespaces(&self) -> Option<IdsOfTree> {
        let between = |root| IdsOfTree::between(self.namespaces, root);
        self.of_tree.map(between)
    }

    /// The ids of the dumping task, for the inventory.
    pub fn own(&self) -> &TaskKobjIdsEntry {
        &self.own
    }

    /// The ids of a task that stands still, the root of the tree first; what the kernel has told of
    /// the objects of all tasks, or of none ([`Ids::are_told`]).
    ///
    /// # Errors
    ///
    /// Refused where the task shares with another one what a restore cannot
    /// make shared again: anything but the descriptor table; and where it is in
    /// other namespaces than the root.
    pub fn of(&mut self, pid: Pid, told: Option<&Objects>) -> Result<TaskKobjIdsEntry> {
        let namespaces = self.namespaces_of(pid, told)?;
        let of_tree = self.of_tree.get_or_insert(namespaces);
        if let Some(kind) = of_tree.foreign(&self.namespaces, &namespaces).first() {
            return Err(elsewhere(pid, kind).into());
        }
        let objects = self.objects(pid, told)?;
        Ok(self.entry(objects, namespaces))
    }

    /// The objects of a task, in the order of the registers.
    ///
    /// # Errors
    ///
    /// Refused as by [`Ids::of`] for what is shared, which is all that is looked at.
    pub fn objects(&mut self, pid: Pid, told: Option<&Objects>) -> Result<[u32; 4]> {
        let names = [
            "its address space (CLONE_VM)",
            "",
            "its working directory and umask (CLONE_FS)",
            "its signal actions (CLONE_SIGHAND)",
        ];
        let mut objects = [0; 4];
        let mut owners = [None; 4];
        for (place, register) in self.registers.iter_mut().enumerate() {
            let number = told.map(|told| numbers(told)[place]);
            (objects[place], owners[place]) = register.id(pid, number)?;
        }
        for (owner, what) in owners.into_iter().zip(names) {
            if let Some(owner) = owner
                && !what.is_empty()
            {
                return Err(shared(pid, owner, what).into());
            }
        }
        Ok(objects)
    }

    /// Tasks with the same `nsproxy` have the same namespaces of all kinds but two. Of users they have their
    /// credentials', and of processes that of their birth: of those with one `nsproxy` only who made it may be
    /// in another than the rest, in one further out.
    fn namespaces_of(&mut self, pid: Pid, told: Option<&Objects>) -> Result<Namespaces> {
        let key = told.map(|told| (told.namespaces, told.users, told.pid_level));
        if let Some(place) = key.and_then(|key| self.told.get(&key)) {
            return Ok(self.lived_in[*place].1);
        }
        let namespaces = Namespaces::of(pid)?;
        let mut known = self.lived_in.iter();
        let place = known.position(|(_, known)| *known == namespaces);
        let place = place.unwrap_or_else(|| {
            self.lived_in.push((pid, namespaces));
            self.lived_in.len() - 1
        });
        self.told.extend(key.map(|key| (key, place)));
        Ok(namespaces)
    }

    fn entry(&self, objects: [u32; 4], namespaces: Namespaces) -> TaskKobjIdsEntry {
        let [vm_id, files_id, fs_id, sighand_id] = objects;
        let mut ids = TaskKobjIdsEntry {
            vm_id,
            files_id,
            fs_id,
            sighand_id,
            ..Default::default()
        };
        let of_tree = self.of_tree.unwrap_or(namespaces);
        of_tree.fill(&self.namespaces, &namespaces, &mut ids);
        ids
    }
}

/// What the kernel has for a task's objects, in the order of the registers.
fn numbers(told: &Objects) -> [u64; 4] {
    [told.memory, told.files, told.filesystem, told.actions]
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
    use crate::records::Records;

    /// Has a child that shares its descriptors, and one that has all of its own.
    const FAMILY: &str = "
import ctypes, os, signal
for flags in (0x400 | signal.SIGCHLD, signal.SIGCHLD):
    child = ctypes.CDLL(None).syscall(56, flags, 0, 0, 0, 0)
    os.write(1, b'%d\\n' % child) if child else os.read(0, 1)
    if not child: os._exit(0)
os.wait(); os.wait()";

    #[test]
    fn what_the_kernel_tells_and_what_is_compared_is_the_same() {
        let mut parent = std::process::Command::new("python3")
            .args(["-c", FAMILY])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(parent.stdout.take().unwrap());
        let lines = std::io::BufRead::lines(lines).take(2);
        let children = lines.map(|line| line.unwrap().parse().unwrap());
        let ours = [parent.id() as i32].into_iter().chain(children);
        let tasks: Vec<Pid> = ours.map(|pid| Pid::new(pid).unwrap()).collect();
        let mut records = Records::ready(&tasks);
        tasks.iter().for_each(|pid| records.read(*pid));
        let told = records.objects(&tasks);
        let compared = ids_of(&tasks, None);
        let found = told.as_ref().map(|told| ids_of(&tasks, Some(told)));
        drop(parent.stdin.take());
        parent.wait().unwrap();
        let files: Vec<u32> = compared.iter().map(|ids| ids.files_id).collect();
        assert_eq!(files, [2, 2, 3]);
        // Without the right to, there are no records.
        if let Some(found) = found {
            assert_eq!(found, compared);
        }
    }

    fn ids_of(
        tasks: &[Pid],
        told: Option<&(Objects, HashMap<Pid, Objects>)>,
    ) -> Vec<TaskKobjIdsEntry> {
        let mut ids = Ids::new(Namespaces::own().unwrap()).unwrap();
        if let Some((own, _)) = told {
            ids.are_told(own);
        }
        let of = |pid: &Pid| ids.of(*pid, told.map(|(_, told)| &told[pid])).unwrap();
        tasks.iter().map(of).collect()
    }

    #[test]
    fn a_child_of_fork_has_everything_of_its_own() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::new(child.id() as i32).unwrap();
        let mut ids = Ids::new(Namespaces::own().unwrap()).unwrap();
        let first = ids.of(pid, None);
        let again = ids.of(pid, None);
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
        assert_eq!(ids.one_for_each_namespace(), [pid]);
        // Met a second time, the address space is another task's.
        assert!(matches!(again, Err(crate::Error::Refused(_))));
    }
}
