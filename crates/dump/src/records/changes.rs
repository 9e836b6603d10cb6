//! Whether the mappings of a task changed since they were looked at: the kernel counts.

use std::collections::HashMap;

use commensal_sys::Pid;
use commensal_sys::task_iter::{Reader, Records, ThreadRecord};

/// What the kernel counts of the tasks' mappings, and how far it was when they were looked at.
#[derive(Debug, Default)]
pub struct MappingChanges {
    leaders: HashMap<Pid, Records<ThreadRecord>>,
    seen: HashMap<Pid, u64>,
}

impl MappingChanges {
    /// Of these tasks.
    pub(super) fn of(tasks: &[Pid], reader: &Reader<ThreadRecord>) -> Self {
        let leader = |pid: &Pid| Some((*pid, reader.of_leader(*pid).ok()?));
        Self {
            leaders: tasks.iter().filter_map(leader).collect(),
            seen: HashMap::new(),
        }
    }

    /// To be called right before a task's mappings are looked at.
    pub fn begin(&mut self, pid: Pid) {
        self.seen.remove(&pid);
        self.seen.extend(self.count(pid).map(|count| (pid, count)));
    }

    /// Whether none came, went or got other flags since then; `false` where the kernel does not tell.
    pub fn none(&self, pid: Pid) -> bool {
        let seen = self.seen.get(&pid);
        seen.is_some() && seen == self.count(pid).as_ref()
    }

    fn count(&self, pid: Pid) -> Option<u64> {
        let records = self.leaders.get(&pid)?.read().ok()?;
        match records[..] {
            [leader] if leader.tid == pid.get() && leader.mapping_changes != 0 => {
                Some(leader.mapping_changes)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::super::Records;
    use super::*;

    /// Answers each byte; keeps a mapping from its children before it answers the second.
    const PROGRAM: &str = "
import ctypes, mmap, os
page = mmap.mmap(-1, 4096)
os.write(1, os.read(0, 1))
os.read(0, 1)
page.madvise(mmap.MADV_DONTFORK)
os.write(1, b'.')
os.read(0, 1)";

    #[test]
    fn a_flag_that_changed_is_noticed() {
        let mut child = Command::new("python3")
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::new(child.id() as i32).unwrap();
        let mut echo = || {
            child.stdin.as_mut().unwrap().write_all(b".").unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        };
        echo();
        // A tree that is large by the number of its tasks.
        let (_, mut changes) = Records::prepare(&[pid; super::super::MANY_TASKS]);
        assert!(!changes.none(pid), "it was not looked at");
        changes.begin(pid);
        // Without the right to, there are no records.
        if changes.count(pid).is_some() {
            assert!(changes.none(pid));
            let before = std::fs::read(format!("/proc/{pid}/maps")).unwrap();
            echo();
            assert_eq!(std::fs::read(format!("/proc/{pid}/maps")).unwrap(), before);
            assert!(!changes.none(pid));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
