//! Stopping all threads of a task, and letting them go.

use core::cell::OnceCell;
use core::time::Duration;
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::fs;
use std::time::Instant;

use commensal_sys::{Errno, Pid, Tid};

use crate::gadget::Gadgets;
use crate::held::Held;
use crate::scratch::MainThread;
use crate::seccomp::Filters;
use crate::status::{Seccomp, Status};
use crate::{Candidate, Error, Injection, Maps, Thread};

/// How long a thread may take to stop before the task is given up, unharmed:
/// it is in uninterruptible sleep then.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A task all of whose threads are stopped and held.
///
/// ptrace belongs to one thread of ours, so this is neither `Send` nor `Sync`.
/// Dropping it lets the task go as it was found.
#[derive(Debug)]
pub struct Seized {
    pid: Pid,
    threads: Vec<Thread>,
    stop_signal: Option<i32>,
    gadgets: Option<Gadgets>,
    /// Those that were looked at since it stands still.
    checked: OnceCell<Gadgets>,
    maps: OnceCell<Maps>,
    /// The threads' modes before they were stopped.
    seccomp: HashMap<Tid, Seccomp>,
    /// Whether the caller ends the task in any case.
    doomed: bool,
    held: Held,
}

impl Seized {
    /// Waits for the threads that are attached already, and stops all others.
    pub(crate) fn hold(
        mut held: Held,
        gadgets: Option<Gadgets>,
        mut seccomp: HashMap<Tid, Seccomp>,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let pid = held.pid();
        let (threads, stop_signal) = stop(pid, &mut held, &mut seccomp, deadline)?;
        Ok(Self {
            pid,
            threads,
            stop_signal,
            gadgets,
            checked: OnceCell::new(),
            maps: OnceCell::new(),
            seccomp,
            doomed: false,
            held,
        })
    }

    /// Stops all threads of task `pid`: [`Candidate::look`] and [`Candidate::seize`]. A process is
    /// started with it that undoes the stop if we die meanwhile ([`caretaker`](crate::caretaker())).
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] where there can be no such process; [`Error::Gone`], [`Error::Traced`], [`Error::NotPermitted`];
    /// [`Error::Stuck`] or [`Error::Restless`] after [`STOP_TIMEOUT`]. The task
    /// runs on as before.
    pub fn seize(pid: Pid) -> Result<Self, Error> {
        Candidate::look(pid)?.seize()
    }

    /// The caller will end the task with SIGKILL when it is done with it: from
    /// now on threads may be entered whose seccomp filters would end the task
    /// if we died meanwhile.
    pub fn doom(&mut self) {
        self.doomed = true;
    }

    /// A thread's seccomp filters, which let it go home; `None` where they do
    /// not matter.
    pub(crate) fn filters(&self, tid: Tid) -> Result<Option<Filters>, Error> {
        if self.doomed {
            return Ok(None);
        }
        let mode = self.seccomp.get(&tid).copied().unwrap_or_default();
        let filters = Filters::read(tid, mode)?;
        filters.check_home()?;
        Ok(Some(filters))
    }

    /// The task's id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The held threads, the leader first unless it has exited already.
    pub fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// The thread with this id.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] (ESRCH) where it is none of this task's.
    pub fn thread(&self, tid: Tid) -> Result<&Thread, Error> {
        let found = self.threads.iter().find(|thread| thread.tid() == tid);
        found.ok_or_else(|| commensal_sys::Error::new("gettid", tid.get(), Errno::SRCH).into())
    }

    /// The signal that had stopped the task (SIGSTOP, SIGTSTP, …) before we
    /// came; it stays stopped when it is let go.
    pub fn stop_signal(&self) -> Option<i32> {
        self.stop_signal
    }

    /// Makes one system call in a thread; gives its raw result.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] with `call`'s name when it fails in the target;
    /// otherwise as [`Injection::prepare`].
    pub fn syscall(
        &mut self,
        tid: Tid,
        call: &'static str,
        nr: u32,
        args: [u64; 6],
    ) -> Result<u64, Error> {
        let mut injection = Injection::prepare(self, tid, None)?;
        let result = injection.call(call, nr, args);
        injection.land()?;
        result
    }

    /// Lets all threads go as they were found.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] for the first thread that could not be let go; one that
    /// is gone is no error.
    pub fn release(mut self) -> Result<(), Error> {
        self.held.release()
    }

    /// The mappings, as they are while the task is stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Proc`].
    pub fn maps(&self) -> Result<&Maps, Error> {
        if let Some(maps) = self.maps.get() {
            return Ok(maps);
        }
        let maps = Maps::read(self.pid)?;
        Ok(self.maps.get_or_init(|| maps))
    }

    /// The code to make system calls from, looked at again now that the task
    /// is stopped.
    pub(crate) fn gadgets(&self) -> Result<Gadgets, Error> {
        if let Some(gadgets) = self.checked.get() {
            return Ok(*gadgets);
        }
        let holds = |gadgets: &Gadgets| gadgets.hold(self.pid);
        let gadgets = match self.gadgets.filter(holds) {
            Some(gadgets) => gadgets,
            None => Gadgets::find(self.pid, self.maps()?)
                .filter(holds)
                .ok_or(Error::NoGadget(self.pid))?,
        };
        Ok(*self.checked.get_or_init(|| gadgets))
    }

    /// Where the main thread is.
    pub(crate) fn main_thread(&self) -> MainThread {
        let main = self.thread(self.pid.leader());
        MainThread {
            rsp: main.map_or(0, |main| main.landing().rsp),
            alone: self.threads.len() == 1,
        }
    }
}

/// Stops all threads, until a look at the whole task finds no new one; gives
/// them and the signal that had stopped the task.
fn stop(
    pid: Pid,
    held: &mut Held,
    seccomp: &mut HashMap<Tid, Seccomp>,
    deadline: Instant,
) -> Result<(Vec<Thread>, Option<i32>), Error> {
    let (mut threads, mut stop_signal) = (Vec::new(), None);
    let mut known: HashSet<Tid> = held.unsettled().iter().copied().collect();
    loop {
        let all = tids(pid)?;
        let fresh: Vec<Tid> = all
            .iter()
            .copied()
            .filter(|tid| known.insert(*tid))
            .collect();
        if fresh.is_empty() && held.unsettled().is_empty() && is_whole(pid, all.len())? {
            break;
        }
        if Instant::now() >= deadline {
            return Err(Error::Restless(pid));
        }
        for tid in fresh {
            held.attach(tid, seccomp.get(&tid).copied())?;
        }
        held.settle(deadline, |stopped| {
            let tid = stopped.tid;
            stop_signal = stop_signal.or(stopped.stop_signal);
            // One that was born meanwhile was not looked at before.
            let mode = match seccomp.entry(tid) {
                Entry::Occupied(mode) => *mode.get(),
                Entry::Vacant(place) => {
                    let status = Status::read(pid, tid)?.unwrap_or_default();
                    *place.insert(status.seccomp)
                }
            };
            threads.extend(if_alive(Thread::stopped(pid, tid, mode))?);
            Ok(())
        })?;
    }
    // They came to rest in any order.
    threads.sort_by_key(|thread| (thread.tid() != pid.leader(), thread.tid().get()));
    if threads.is_empty() {
        return Err(Error::Gone(pid));
    }
    Ok((threads, stop_signal))
}

/// How many entries the kernel gives at once, safely rounded down: a longer
/// list may miss a thread when others end while it is read.
const LIST_AT_ONCE: usize = 500;

/// Whether a list of `count` threads is all of them.
fn is_whole(pid: Pid, count: usize) -> Result<bool, Error> {
    if count <= LIST_AT_ONCE {
        return Ok(true);
    }
    let status = Status::read(pid, pid.leader())?.ok_or(Error::Gone(pid))?;
    Ok(status.threads == count)
}

/// The threads of a task, the leader first.
pub(crate) fn tids(pid: Pid) -> Result<Vec<Tid>, Error> {
    let path = format!("/proc/{pid}/task");
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Gone(pid));
        }
        Err(source) => return Err(Error::Proc { path, source }),
    };
    let name = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Ok(entries
        .flatten()
        .filter_map(name)
        .filter_map(Tid::new)
        .collect())
}

/// A thread that was killed just now is no error.
fn if_alive(thread: Result<Thread, Error>) -> Result<Option<Thread>, Error> {
    match thread {
        Ok(thread) => Ok(Some(thread)),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error),
    }
}
