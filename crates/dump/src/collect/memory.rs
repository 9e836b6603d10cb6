//! The memory of the tasks. Of several it is copied by a thread of its own, while the one that
//! traces them asks those that are copied.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle, scope};
use std::time::{Duration, Instant};

use commensal_images::ImageSink;
use commensal_sys::{Pid, RemoteRange};

use crate::mm::{Mappings, PageStats, PageWriter, Tracker};
use crate::pidns::VirtualId;
use crate::prepare::Prepared;
use crate::proc::smaps;
use crate::{Error, Result};

/// Bytes of private mappings below which a thread costs more than it saves.
const SMALL: u64 = 64 << 20;

/// What copies the memory of one task after the other.
pub struct Memory<'p, 's, S> {
    prepared: Prepared,
    pages: &'p PageWriter<'s, S>,
}

/// A task whose memory is to be copied.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The task.
    pub pid: Pid,
    /// Its pid in the images.
    pub id: VirtualId,
    /// Whether it may have forked since it was looked at.
    pub forked: bool,
}

/// A task's memory, whose private pages are in the images.
#[derive(Debug)]
pub struct Copied {
    /// Its mappings, with their flags as they are now.
    pub mappings: Mappings,
    /// The guarded ranges.
    pub guards: Vec<RemoteRange>,
    /// How many pages.
    pub stats: PageStats,
    /// How long it took.
    pub time: Duration,
}

impl<'p, 's, S: ImageSink> Memory<'p, 's, S> {
    /// Copies with `pages` what was `prepared`.
    pub fn new(prepared: Prepared, pages: &'p PageWriter<'s, S>) -> Self {
        Self { prepared, pages }
    }

    /// The private pages of a task that stands still, and its mappings. With pre-copy the flags
    /// are as they were just before the tree was stopped, unless a mapping changed since.
    fn task(&mut self, Asked { pid, id, forked }: Asked) -> Result<Copied> {
        let started = Instant::now();
        let mut mappings = self.prepared.mappings(pid)?;
        if forked {
            mappings.may_have_forked();
        }
        let tracker = self.prepared.tracker(pid);
        let copy = || match self.prepared.parent(pid) {
            Some(parent) => self.pages.task_against(id, &mappings, parent),
            None => self.pages.task(id, &mappings, tracker),
        };
        let flags = || tracker.is_none().then(|| smaps::smaps(pid));
        // The kernel walks all page tables for the flags.
        let (pages, flags) = match mappings.private_bytes() < SMALL {
            true => (copy(), flags()),
            false => beside(copy, flags),
        };
        let pages = pages?;
        if let Some(flags) = flags {
            mappings.update_flags(&flags?)?;
        }
        Ok(Copied {
            mappings,
            guards: pages.guards,
            stats: pages.stats,
            time: started.elapsed(),
        })
    }
}

/// Copies memory in the order in which it is asked for.
pub enum Copier<'scope> {
    /// When it is waited for: one small task has nothing to be copied beside.
    Here {
        /// What copies.
        memory: Box<dyn CopyMemory + 'scope>,
        /// What is asked for.
        asked: VecDeque<Asked>,
    },
    /// In a thread, which ends when this is dropped.
    Beside {
        /// What is asked for.
        asked: Sender<Asked>,
        /// What became of it.
        copies: Receiver<Result<Copied>>,
        /// The thread.
        thread: ScopedJoinHandle<'scope, Trackers>,
    },
}

type Trackers = HashMap<Pid, Tracker>;

/// A [`Memory`] with whatever sink.
pub trait CopyMemory: Send {
    /// Copies the memory of one task.
    fn copy(&mut self, task: Asked) -> Result<Copied>;

    /// What tracked the tasks' writes.
    fn trackers(self: Box<Self>) -> Trackers;
}

impl<S: ImageSink> CopyMemory for Memory<'_, '_, S> {
    fn copy(&mut self, task: Asked) -> Result<Copied> {
        self.task(task)
    }

    fn trackers(self: Box<Self>) -> Trackers {
        self.prepared.trackers
    }
}

impl<'scope> Copier<'scope> {
    /// Copies `memory`; in a thread where there are `several` tasks, or one with many threads.
    pub fn start(
        scope: &'scope Scope<'scope, '_>,
        mut memory: Box<dyn CopyMemory + 'scope>,
        several: bool,
    ) -> Self {
        if !several {
            return Self::Here {
                memory,
                asked: VecDeque::new(),
            };
        }
        let (asked, tasks) = channel();
        let (sender, copies) = channel();
        let thread = scope.spawn(move || {
            for task in tasks {
                // Nobody waits for it after a failure.
                let _ = sender.send(memory.copy(task));
            }
            memory.trackers()
        });
        Self::Beside {
            asked,
            copies,
            thread,
        }
    }

    /// Has the memory of a task copied, which nothing of ours is in.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] where the thread has ended with a panic.
    pub fn copy(&mut self, task: Asked) -> Result<()> {
        match self {
            Self::Here { asked, .. } => asked.push_back(task),
            Self::Beside { asked, .. } => asked.send(task).map_err(|_| Error::Cancelled)?,
        }
        Ok(())
    }

    /// Waits for the next task's memory.
    ///
    /// # Errors
    ///
    /// Why it could not be copied.
    pub fn wait(&mut self) -> Result<Copied> {
        match self {
            Self::Here { memory, asked } => {
                let task = asked.pop_front().expect("as many as were asked for");
                memory.copy(task)
            }
            Self::Beside { copies, .. } => copies.recv().map_err(|_| Error::Cancelled)?,
        }
    }

    /// Ends the thread; gives what tracked the tasks' writes.
    pub fn finish(self) -> Trackers {
        match self {
            Self::Here { memory, .. } => memory.trackers(),
            Self::Beside { asked, thread, .. } => {
                drop(asked);
                let trackers = thread.join();
                trackers.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        }
    }
}

/// Calls both, the second in a thread of its own.
fn beside<A, B: Send>(here: impl FnOnce() -> A, there: impl FnOnce() -> B + Send) -> (A, B) {
    scope(|scope| {
        let there = scope.spawn(there);
        let here = here();
        let there = there.join();
        (
            here,
            there.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    })
}
