//! What the kernel has written down of the threads of a task that has many: reading it takes less
//! time than asking each thread, which is what is done where the kernel does not tell.

use std::collections::HashMap;

use commensal_abi::{Sigaltstack, ThreadInfo};
use commensal_sys::task_iter::{ThreadReader, ThreadRecord, Threads};
use commensal_sys::{Pid, Tid};

use crate::proc;

/// How many threads a task must have: to get ready takes some milliseconds, though before the
/// freeze, and to ask a thread some hundred microseconds.
const MANY: usize = 32;

/// `SS_DISABLE` (sigaltstack(2)).
const SS_DISABLE: i32 = 2;

/// The tasks with many threads.
#[derive(Default)]
pub struct Records(HashMap<Pid, Threads>);

impl Records {
    /// Gets ready to read of those `tasks` that have many threads.
    pub fn prepare(tasks: impl Iterator<Item = Pid>) -> Self {
        let has_many = |pid: &Pid| proc::threads(*pid).is_ok_and(|tids| tids.len() >= MANY);
        let large: Vec<Pid> = tasks.filter(has_many).collect();
        if large.is_empty() {
            return Self::default();
        }
        let reader = match ThreadReader::load() {
            Ok(reader) => reader,
            Err(error) => {
                tracing::debug!(%error, "each thread is asked: the kernel does not tell of them");
                return Self::default();
            }
        };
        let threads = large
            .into_iter()
            .filter_map(|pid| Some((pid, reader.of(pid).ok()?)));
        Self(threads.collect())
    }

    /// Whether there is such a task.
    pub fn is_some(&self) -> bool {
        !self.0.is_empty()
    }

    /// What there is of a task.
    pub fn of(&self, pid: Pid) -> Option<&Threads> {
        self.0.get(&pid)
    }
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
}

/// What `others` would say of themselves. None where one is not in the records, or where these say
/// something else of a thread than it said itself: then they are not what we take them for.
pub fn known(records: &Threads, asked: &ThreadInfo, others: &[Tid]) -> Option<Vec<Known>> {
    let records = records.read().ok()?;
    let known = |record: &ThreadRecord| Known {
        info: info(record),
        groups: Some(record.groups),
    };
    let records: HashMap<i32, Known> = records
        .iter()
        .map(|record| (record.tid, known(record)))
        .collect();
    if records.get(&asked.tid).map(|known| known.info) != Some(*asked) {
        tracing::debug!(tid = asked.tid, "the kernel's records tell something else");
        return None;
    }
    let others = others.iter();
    others.map(|tid| records.get(&tid.get()).copied()).collect()
}

fn info(record: &ThreadRecord) -> ThreadInfo {
    let flags = record.altstack_flags as i32;
    ThreadInfo {
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
    }
}
