//! The kernel's records of a task's threads, as far as they are believed.

use std::collections::HashMap;

use commensal_abi::{Sigaltstack, ThreadInfo};
use commensal_sys::task_iter::ThreadRecord;
use commensal_sys::{Pid, Tid};

use crate::proc::Status;

/// `SS_DISABLE` (sigaltstack(2)).
const SS_DISABLE: i32 = 2;

/// What the kernel has written down of the threads of a task that stands still.
#[derive(Debug)]
pub struct Threads {
    leader: Tid,
    records: HashMap<i32, ThreadRecord>,
}

impl Threads {
    pub(super) fn new(pid: Pid, records: Vec<ThreadRecord>) -> Self {
        let records = records.into_iter().map(|record| (record.tid, record));
        Self {
            leader: pid.leader(),
            records: records.collect(),
        }
    }

    fn of(&self, tid: Tid) -> Option<&ThreadRecord> {
        self.records.get(&tid.get())
    }

    /// Whether the thread is known to have no children.
    pub fn is_childless(&self, tid: Tid) -> bool {
        self.of(tid).is_some_and(|record| record.has_children == 0)
    }

    /// The records, if that of the leader says what its `status` and its entries of the GDT say:
    /// otherwise they are not what we take them for.
    pub fn confirmed(self, status: &Status, has_areas: bool) -> Option<Self> {
        let leader = self.of(self.leader)?;
        let same = comm(leader) == status.comm
            && leader.pending == status.pending
            && leader.seccomp == status.seccomp
            && leader.areas.iter().any(|area| *area != 0) == has_areas;
        same.then_some(self)
    }

    /// What the status of another thread would say, by that of the leader: it has the same
    /// credentials and flags, and no signal pending. None where it is in no record, or differs.
    pub fn status(&self, tid: Tid, leader: &Status) -> Option<Status> {
        let (own, like) = (self.of(tid)?, self.of(self.leader)?);
        let same = own.credentials == like.credentials
            && own.flags == like.flags
            && own.seccomp == like.seccomp
            && own.pending == 0;
        // What a thread is called in a nested pid namespace, only its status tells.
        (same && leader.pid_namespaces == 1).then(|| {
            let mut status = leader.clone();
            status.comm = comm(own).to_vec();
            status.pending = 0;
            status.inside.pid = own.tid;
            status
        })
    }

    /// Whether the thread is known to have no entries in the GDT.
    pub fn has_no_areas(&self, tid: Tid) -> bool {
        self.of(tid).is_some_and(|record| record.areas == [0; 3])
    }

    /// What all of these would say of themselves; none where one is not in the records.
    pub fn all(&self, tids: impl Iterator<Item = Tid>) -> Option<Vec<Known>> {
        tids.map(|tid| self.of(tid).map(Known::told)).collect()
    }

    /// What `others` would say of themselves. None where one is not in the records, or where these say
    /// something else of a thread than it said itself: then they are not what we take them for.
    pub fn known(&self, asked: &ThreadInfo, others: &[Tid]) -> Option<Vec<Known>> {
        let known = |tid: i32| self.records.get(&tid).map(Known::told);
        if known(asked.tid).map(|known| known.info) != Some(*asked) {
            tracing::debug!(tid = asked.tid, "the kernel's records tell something else");
            return None;
        }
        others.iter().map(|tid| known(tid.get())).collect()
    }
}

/// The thread's name, without the zeros behind it.
fn comm(record: &ThreadRecord) -> &[u8] {
    let mut parts = record.comm.split(|byte| *byte == 0);
    parts.next().unwrap_or_default()
}

/// A thread whose state is known.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What it says of itself.
    pub info: ThreadInfo,
    /// The same for threads that are known to be in the same control groups.
    pub groups: Option<u64>,
}

impl Known {
    /// Of a thread that was asked.
    pub fn asked(info: ThreadInfo) -> Self {
        Self { info, groups: None }
    }

    fn told(record: &ThreadRecord) -> Self {
        let flags = record.altstack_flags as i32;
        let info = ThreadInfo {
            tid: record.tid,
            status: 0,
            tid_address: record.tid_address,
            altstack: Sigaltstack {
                sp: record.altstack_sp,
                flags: match record.altstack_size {
                    0 => flags | SS_DISABLE,
                    _ => flags,
                },
                reserved: 0,
                size: record.altstack_size,
            },
            pdeath_sig: record.pdeath_sig,
            securebits: record.securebits,
        };
        Self {
            info,
            groups: Some(record.groups),
        }
    }
}

#[cfg(test)]
mod tests;
