//! What the kernel has written down of large tasks, of trees of many, and of stopped tasks: reading it takes
//! less time than asking each thread or task, or than comparing each two descriptors, which is what is
//! done where the kernel does not tell.
//!
//! - `threads`: what each thread would say of itself, and its status;
//! - `task`: what a task would say of itself, so that it need not be entered;
//! - `changes`: whether mappings changed since they were looked at.

mod changes;
mod task;
mod threads;

use std::collections::HashMap;

use commensal_sys::task_iter::{
    self, FileRecord, KernelTypes, Objects, Reader, TaskRecord, ThreadRecord,
};
use commensal_sys::{PAGE_SIZE, Pid};

use crate::{files, proc};

pub use changes::MappingChanges;
pub use task::Task;
pub use threads::{Known, Threads};

/// How many threads a task must have: to get ready takes seven milliseconds, though before the
/// freeze, and to ask a thread some hundred microseconds.
const MANY_THREADS: usize = 12;

/// How many descriptors a task must have: telling each from those of the same file takes some ten
/// microseconds.
const MANY_DESCRIPTORS: usize = 128;

/// How many tasks a tree must have: to ask one takes more than half a millisecond.
const MANY_TASKS: usize = 6;

/// How many bytes of memory a task must have for the flags of its mappings to be worth it: reading them
/// takes 14 ms for 1 GiB.
const MUCH_MEMORY: u64 = 64 << 20;

/// What can be read of the tasks of a tree.
#[derive(Debug, Default)]
pub struct Records {
    threads: HashMap<Pid, task_iter::Records<ThreadRecord>>,
    files: HashMap<Pid, task_iter::Records<FileRecord>>,
    tasks: HashMap<Pid, task_iter::Records<TaskRecord>>,
    /// Of tasks that stand still, as they were read then.
    read: HashMap<Pid, TaskRecord>,
    /// Our own, to tell what flags mean.
    own: Option<TaskRecord>,
}

impl Records {
    /// Gets ready to read of those `tasks` that have many threads, of all descriptors where the tree is
    /// large or a task has many, as any two may be the same, and of the mappings of a large tree. None
    /// of it where the kernel does not tell.
    pub fn prepare(tasks: &[Pid]) -> (Self, MappingChanges) {
        let large = Large::of(tasks);
        if large.is_empty() {
            return Default::default();
        }
        Self::of(&large).unwrap_or_else(|error| {
            tracing::debug!(%error, "the kernel does not tell of large tasks: they are asked");
            Default::default()
        })
    }

    fn of(large: &Large<'_>) -> commensal_sys::Result<(Self, MappingChanges)> {
        let types = KernelTypes::read()?;
        let threads = Reader::load(&types)?;
        let files = match large.files.is_empty() {
            true => None,
            false => Some(Reader::load(&types)?),
        };
        let files_of = |pid: &Pid| Some((*pid, files.as_ref()?.of(*pid).ok()?));
        // Not every kernel has all that a task is asked for where we look for it.
        let tasks = match large.tasks.is_empty() {
            true => None,
            false => Reader::load(&types).ok(),
        };
        let task_of = |pid: &Pid| Some((*pid, tasks.as_ref()?.of(*pid).ok()?));
        let threads_of = |pid: &Pid| Some((*pid, threads.of(*pid).ok()?));
        let records = Self {
            threads: large.threads.iter().filter_map(threads_of).collect(),
            files: large.files.iter().filter_map(files_of).collect(),
            tasks: large.tasks.iter().filter_map(task_of).collect(),
            read: HashMap::new(),
            own: tasks.as_ref().and_then(task::own),
        };
        Ok((records, MappingChanges::of(large.memory, &threads)))
    }

    /// The threads of a task; none where the kernel does not tell.
    pub fn threads(&self, pid: Pid) -> Option<Threads> {
        let records = self.threads.get(&pid)?.read().ok()?;
        Some(Threads::new(pid, records))
    }

    /// Whether there is a record of the whole task, so that it will hardly be entered.
    pub fn have_whole(&self, pid: Pid) -> bool {
        self.tasks.contains_key(&pid)
    }

    /// Reads the records of whole tasks, all of which stand still from now on.
    pub fn read(&mut self) {
        let record = |(pid, records): (&Pid, &task_iter::Records<_>)| match records.read().ok()?[..]
        {
            [record] => Some((*pid, record)),
            _ => None,
        };
        self.read = self.tasks.iter().filter_map(record).collect();
    }

    /// What the kernel has for the objects of ours and of these tasks, if it tells of all of them.
    pub fn objects(&self, tasks: &[Pid]) -> Option<(Objects, HashMap<Pid, Objects>)> {
        let of = |pid: &Pid| Some((*pid, self.read.get(pid)?.objects));
        let all: Option<_> = tasks.iter().map(of).collect();
        Some((self.own.as_ref()?.objects, all?))
    }

    /// What is told of a task that stands still: of its threads, and all that it would be asked for.
    pub fn task(&self, pid: Pid) -> (Option<Threads>, Option<Task>) {
        let record = self.read.get(&pid).copied();
        // A task of one thread has no other record of it.
        let leader = record.map(|record| Threads::new(pid, vec![record.leader]));
        let threads = self.threads(pid).or(leader);
        let own = self.own.as_ref();
        let task = record
            .zip(own)
            .and_then(|(record, own)| Task::new(record, own));
        (threads, task)
    }

    /// Whether the kernel tells of the descriptors of a task.
    pub fn have_files(&self, pid: Pid) -> bool {
        self.files.contains_key(&pid)
    }

    /// The descriptors of a task by their numbers; none where the kernel does not tell.
    pub fn files(&self, pid: Pid) -> HashMap<i32, FileRecord> {
        let records = self.files.get(&pid).and_then(|files| files.read().ok());
        let records = records.into_iter().flatten();
        records.map(|file| (file.fd as i32, file)).collect()
    }
}

/// The tasks of which records are read.
struct Large<'t> {
    threads: Vec<Pid>,
    files: &'t [Pid],
    memory: &'t [Pid],
    tasks: &'t [Pid],
}

impl<'t> Large<'t> {
    fn of(tasks: &'t [Pid]) -> Self {
        let are_many = tasks.len() >= MANY_TASKS;
        // What is stopped could not take anything of ours out of itself.
        let is_stopped = |pid: &Pid| proc::Stat::read(*pid).is_ok_and(|stat| stat.state == b'T');
        // Where none is to be entered that need not be, of all threads is told.
        let whole = are_many || tasks.iter().any(is_stopped);
        let few = if whole { 2 } else { MANY_THREADS };
        let threads = |pid: &Pid| proc::threads(*pid).is_ok_and(|tids| tids.len() >= few);
        let threads: Vec<Pid> = tasks.iter().copied().filter(threads).collect();
        let descriptors = |pid: &Pid| files::numbers(*pid).map_or(0, |numbers| numbers.len());
        let has_many = |pid: &Pid| descriptors(pid) >= MANY_DESCRIPTORS;
        let has_much =
            |pid: &Pid| proc::resident(*pid).is_ok_and(|pages| pages * PAGE_SIZE >= MUCH_MEMORY);
        let is_large = are_many || !threads.is_empty();
        let all_if = |so| if so { tasks } else { &[] };
        Self {
            threads,
            files: all_if(are_many || tasks.iter().any(has_many)),
            tasks: all_if(whole),
            memory: all_if(is_large || tasks.iter().any(has_much)),
        }
    }

    fn is_empty(&self) -> bool {
        let of_all = [self.files, self.memory, self.tasks];
        self.threads.is_empty() && of_all.iter().all(|tasks| tasks.is_empty())
    }
}
