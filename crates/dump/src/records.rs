//! What the kernel has written down of the threads and descriptors of a task that has many: reading
//! it takes less time than asking each thread, or than comparing each two descriptors, which is what
//! is done where the kernel does not tell.

use std::collections::{HashMap, HashSet};

use commensal_abi::{Sigaltstack, ThreadInfo};
use commensal_sys::task_iter::{self, FileRecord, Reader, Record, ThreadRecord};
use commensal_sys::{Pid, Tid};

use crate::{files, proc};

/// How many threads a task must have: to get ready takes some milliseconds, though before the
/// freeze, and to ask a thread some hundred microseconds.
const MANY_THREADS: usize = 32;

/// `SS_DISABLE` (sigaltstack(2)).
const SS_DISABLE: i32 = 2;

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

    /// The threads of a task.
    pub fn threads(&self, pid: Pid) -> Option<&task_iter::Records<ThreadRecord>> {
        self.threads.get(&pid)
    }

    /// The threads of a task that have no children; none where the kernel does not tell.
    pub fn childless(&self, pid: Pid) -> HashSet<i32> {
        let records = self
            .threads
            .get(&pid)
            .and_then(|threads| threads.read().ok());
        let records = records.into_iter().flatten();
        let childless = records.filter(|thread| !thread.has_children());
        childless.map(|thread| thread.tid).collect()
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
pub fn known(
    records: &task_iter::Records<ThreadRecord>,
    asked: &ThreadInfo,
    others: &[Tid],
) -> Option<Vec<Known>> {
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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use commensal_daemonized::{Daemonized, Questions};
    use commensal_infected::Infected;
    use commensal_seized::Seized;

    use super::*;

    /// Each thread has a signal for its parent's death, an alternate stack, or neither.
    const PROGRAM: &str = "
import ctypes, threading, time
libc = ctypes.CDLL(None)
class Stack(ctypes.Structure):
    _fields_ = [('sp', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t)]
ready = threading.Barrier(40)
def run(n):
    memory = ctypes.create_string_buffer(16384)
    if n % 3 == 0:
        assert libc.prctl(1, n + 1, 0, 0, 0) == 0
    if n % 3 == 1:
        flags = ctypes.c_int(-0x80000000 if n % 2 else 0)
        stack = Stack(ctypes.addressof(memory), flags, 16384)
        assert libc.sigaltstack(ctypes.byref(stack), None) == 0
    ready.wait()
    time.sleep(1000)
for n in range(39):
    threading.Thread(target=run, args=(n,), daemon=True).start()
ready.wait()
print(end='.', flush=True)
time.sleep(1000)";

    #[test]
    fn the_records_say_of_each_thread_what_it_says_itself() {
        let mut child = Command::new("python3")
            .args(["-c", PROGRAM])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0];
        let stdout = child.stdout.as_mut().unwrap();
        stdout.read_exact(&mut ready).unwrap();
        let pid = Pid::new(child.id() as i32).unwrap();
        let records = Records::prepare(&[pid]);
        let seized = Seized::seize(pid).unwrap();
        let mut daemon = Daemonized::daemonize(Infected::infect(seized).unwrap()).unwrap();
        let own = daemon.survey(Questions::default()).unwrap().thread;
        let mut infected = daemon.stop().unwrap();
        let asked = infected.other_thread_infos().unwrap();
        let tids: Vec<Tid> = asked
            .iter()
            .map(|info| Tid::new(info.tid).unwrap())
            .collect();
        assert_eq!(asked.len(), 39);
        // Without the right to, there are no records.
        if let Some(threads) = records.threads(pid) {
            let known = known(threads, &own, &tids).unwrap();
            let told: Vec<ThreadInfo> = known.iter().map(|known| known.info).collect();
            assert_eq!(told, asked);
            // A thread that says something else of itself is not believed, nor are the records.
            let other = ThreadInfo {
                pdeath_sig: 1,
                ..own
            };
            assert!(super::known(threads, &other, &tids).is_none());
        }
        drop(infected);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
