//! What the kernel has written down of tasks: reading it takes less time than asking each task and thread, or
//! than comparing each two descriptors, which is what is done where the kernel does not tell.
//!
//! - `readers`: what reads it;
//! - `threads`: what each thread would say of itself, and its status;
//! - `task`: what a task would say of itself, so that it need not be entered.

mod readers;
mod task;
mod threads;

use std::collections::HashMap;

use commensal_sys::Pid;
use commensal_sys::task_iter::{self, FileRecord, Objects, TaskRecord, ThreadRecord};

use crate::proc;

pub use readers::Readers;
pub use task::Task;
pub use threads::{Known, Threads};

/// What can be read of the tasks of a tree.
#[derive(Debug, Default)]
pub struct Records {
    /// Of tasks that had more than one.
    threads: HashMap<Pid, task_iter::Records<ThreadRecord>>,
    files: HashMap<Pid, task_iter::Records<FileRecord>>,
    tasks: HashMap<Pid, task_iter::Records<TaskRecord>>,
    /// Of tasks that stand still, as they were read then.
    read: HashMap<Pid, TaskRecord>,
    /// Not in place: it has some kilobytes, which whatever has this would have on the stack, too.
    own: Option<Box<TaskRecord>>,
}

/// What is told of a task that runs.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// As [`Records::mapping_changes`].
    pub mapping_changes: Option<u64>,
    /// How many of its first 256 descriptors are open.
    pub open: u32,
    /// Whether there is nothing that only it could tell, so that it will hardly be entered.
    pub is_whole: bool,
}

impl Records {
    /// Gets ready to read of these `tasks` and their threads: none of it where there are no readers.
    pub fn of(tasks: &[Pid], readers: Option<&Readers>) -> Self {
        let Some(readers) = readers else {
            return Self::default();
        };
        let task = |pid: &Pid| Some((*pid, readers.tasks.of(*pid).ok()?));
        Self {
            threads: threads(tasks, readers),
            files: HashMap::new(),
            tasks: tasks.iter().filter_map(task).collect(),
            read: HashMap::new(),
            own: readers.own.clone(),
        }
    }

    /// Gets ready to read of the descriptors of these tasks, too, if they have so many `open` that it pays.
    pub fn with_files<'t>(
        self,
        tasks: impl Iterator<Item = &'t Pid>,
        open: u32,
        readers: Option<&Readers>,
    ) -> Self {
        /// With fewer, asking for each takes less time than making the kernel ready to tell of all.
        const MANY: u32 = 32;
        let reader = readers.filter(|_| open >= MANY).and_then(Readers::files);
        let files = |pid: &Pid| Some((*pid, reader.as_ref()?.of(*pid).ok()?));
        Self {
            files: tasks.filter_map(files).collect(),
            ..self
        }
    }

    /// As [`Records::of`], with readers that are got ready for that.
    #[cfg(test)]
    pub fn ready(tasks: &[Pid]) -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let tasks = tasks.to_vec();
        crate::beside::Beside::begin()
            .give(move |readers| tell.send(Self::of(&tasks, readers)).unwrap());
        told.recv().unwrap()
    }

    /// The threads of a task; none where the kernel does not tell.
    pub fn threads(&self, pid: Pid) -> Option<Threads> {
        let records = self.threads.get(&pid)?.read().ok()?;
        Some(Threads::new(pid, records))
    }

    /// Reads the record of a task that stands still from now on.
    pub fn read(&mut self, pid: Pid) {
        let record = self.now(pid);
        self.read.extend(record.map(|record| (pid, record)));
    }

    /// The record of a task at this instant.
    fn now(&self, pid: Pid) -> Option<TaskRecord> {
        match self.tasks.get(&pid)?.read().ok()?[..] {
            [record] => Some(record),
            _ => None,
        }
    }

    /// How often the mappings of a task that stands still were locked to be changed: as long as that is the
    /// same, none came, went, or got other flags. `None` where the kernel does not tell.
    pub fn mapping_changes(&self, pid: Pid) -> Option<u64> {
        let read = self.read.get(&pid).copied();
        changes(&read.or_else(|| self.now(pid))?)
    }

    /// What is told of a task that runs; `None` where the kernel does not tell.
    pub fn running(&self, pid: Pid) -> Option<Running> {
        let record = self.now(pid)?;
        let is_whole = |own| record.plain.timers == 0 && Task::new(record, own).is_some();
        Some(Running {
            mapping_changes: changes(&record),
            open: record.shared.open_count(),
            is_whole: self.own.as_deref().is_some_and(is_whole),
        })
    }

    /// What the kernel has for the objects of ours and of these tasks, if it tells of all of them.
    pub fn objects(&self, tasks: &[Pid]) -> Option<(Objects, HashMap<Pid, Objects>)> {
        let of = |pid: &Pid| Some((*pid, self.read.get(pid)?.objects));
        let all: Option<_> = tasks.iter().map(of).collect();
        Some((self.own.as_ref()?.objects, all?))
    }

    /// Whether a task that stands still tells nothing that its record has not, so that it will hardly be
    /// entered.
    pub fn have_whole(&self, pid: Pid) -> bool {
        self.whole(pid).is_some()
    }

    fn whole(&self, pid: Pid) -> Option<Task> {
        Task::new(*self.read.get(&pid)?, self.own.as_ref()?)
    }

    /// What is told of a task that stands still: of its threads, and all that it would be asked for.
    pub fn task(&self, pid: Pid) -> (Option<Threads>, Option<Task>) {
        // A task of one thread has no other record of it.
        let leader = self.read.get(&pid).map(|record| record.leader);
        let leader = leader.map(|leader| Threads::new(pid, vec![leader]));
        (self.threads(pid).or(leader), self.whole(pid))
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

fn changes(record: &TaskRecord) -> Option<u64> {
    Some(record.leader.mapping_changes).filter(|changes| *changes != 0)
}

fn threads(tasks: &[Pid], readers: &Readers) -> HashMap<Pid, task_iter::Records<ThreadRecord>> {
    let has_several = |pid: &&Pid| proc::threads(**pid).is_ok_and(|tids| tids.len() > 1);
    let mut of = tasks.iter().filter(has_several).peekable();
    if of.peek().is_none() {
        return HashMap::new();
    }
    let Ok(reader) = readers.threads() else {
        return HashMap::new();
    };
    let threads = |pid: &Pid| Some((*pid, reader.of(*pid).ok()?));
    of.filter_map(threads).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

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
    fn a_flag_of_a_mapping_that_changed_is_noticed() {
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
        let records = Records::ready(&[pid]);
        let before = records.mapping_changes(pid);
        // Without the right to, there are no records.
        if before.is_some() {
            assert_eq!(records.mapping_changes(pid), before);
            let maps = std::fs::read(format!("/proc/{pid}/maps")).unwrap();
            echo();
            assert_eq!(std::fs::read(format!("/proc/{pid}/maps")).unwrap(), maps);
            assert_ne!(records.mapping_changes(pid), before);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
