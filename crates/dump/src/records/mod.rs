//! What the kernel has written down of the threads and descriptors of a task that has many: reading
//! it takes less time than asking each thread, or than comparing each two descriptors, which is what
//! is done where the kernel does not tell.

mod threads;

use std::collections::HashMap;

use commensal_sys::Pid;
use commensal_sys::task_iter::{self, FileRecord, Reader, Record, ThreadRecord};

use crate::{files, proc};

pub use threads::{Known, Threads};

/// How many threads a task must have: to get ready takes some milliseconds, though before the
/// freeze, and to ask a thread some hundred microseconds.
const MANY_THREADS: usize = 32;

/// How many descriptors a task must have: telling each from those of the same file takes some
/// microseconds.
const MANY_DESCRIPTORS: usize = 256;

/// What can be read of the tasks of a tree.
#[derive(Default)]
pub struct Records {
    threads: HashMap<Pid, task_iter::Records<ThreadRecord>>,
    files: HashMap<Pid, task_iter::Records<FileRecord>>,
}

impl Records {
    /// Gets ready to read of those `tasks` that have many threads, and of all where one has many
    /// descriptors: any two may be the same.
    pub fn prepare(tasks: &[Pid]) -> Self {
        let has_many = |pid: &Pid| proc::threads(*pid).is_ok_and(|tids| tids.len() >= MANY_THREADS);
        let large: Vec<Pid> = tasks.iter().copied().filter(has_many).collect();
        let descriptors = |pid: &Pid| files::numbers(*pid).map_or(0, |numbers| numbers.len());
        let many = tasks.iter().any(|pid| descriptors(pid) >= MANY_DESCRIPTORS);
        Self {
            threads: prepare(&large),
            files: prepare(if many { tasks } else { &[] }),
        }
    }

    /// The threads of a task; none where the kernel does not tell.
    pub fn threads(&self, pid: Pid) -> Option<Threads> {
        let records = self.threads.get(&pid)?.read().ok()?;
        Some(Threads::new(pid, records))
    }

    /// The descriptors of a task by their numbers; none where the kernel does not tell.
    pub fn files(&self, pid: Pid) -> HashMap<i32, FileRecord> {
        let records = self.files.get(&pid).and_then(|files| files.read().ok());
        let records = records.into_iter().flatten();
        records.map(|file| (file.fd as i32, file)).collect()
    }
}

fn prepare<R: Record>(tasks: &[Pid]) -> HashMap<Pid, task_iter::Records<R>> {
    if tasks.is_empty() {
        return HashMap::new();
    }
    let reader = match Reader::load() {
        Ok(reader) => reader,
        Err(error) => {
            tracing::debug!(%error, "the kernel does not tell of large tasks: they are asked");
            return HashMap::new();
        }
    };
    let of = |pid: &Pid| Some((*pid, reader.of(*pid).ok()?));
    tasks.iter().filter_map(of).collect()
}
