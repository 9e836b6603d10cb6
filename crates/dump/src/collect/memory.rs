//! The memory of the tasks, copied by a thread of its own while the one that traces them asks
//! them: a task is entered as soon as that leaves its copy as it was ([`StackCopy`]).

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Scope, ScopedJoinHandle, scope, yield_now};
use std::time::{Duration, Instant};

use commensal_images::ImageSink;
use commensal_seized::Silence;
use commensal_sys::{Pid, RemoteRange};

use crate::mm::{Mappings, PageStats, PageWriter, StackCopy, TaskPages, Tracker};
use crate::pidns::VirtualId;
use crate::prepare::Prepared;
use crate::proc::smaps;
use crate::{Error, Result};

/// Bytes of private mappings below which a thread that reads the flags of all mappings costs more
/// than it saves: the kernel walks all page tables for them.
const SMALL: u64 = 64 << 20;

/// How long to look again and again for what the copying thread tells before sleeping until then: an
/// idle processor takes some hundred microseconds to wake up, as long as a small task takes to copy.
const SPIN: Duration = Duration::from_micros(500);

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
    /// Whether it will likely be entered meanwhile.
    pub entered: bool,
    /// How far the kernel has counted the changes of its mappings, if it tells.
    pub mapping_changes: Option<u64>,
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
    /// `may_enter` is called once the task may be entered: when its stack was read ahead, or all is
    /// read.
    fn task(&mut self, asked: Asked, may_enter: &dyn Fn()) -> Result<Copied> {
        let started = Instant::now();
        let Asked {
            pid,
            id,
            forked,
            entered,
            mapping_changes,
        } = asked;
        let same = self.prepared.mappings_hold(pid, mapping_changes);
        let mut mappings = self.prepared.mappings(pid, same)?;
        if forked {
            mappings.may_have_forked();
        }
        let stack = match self.prepared.parent(pid) {
            None if entered => StackCopy::take(&mappings, self.prepared.tracker(pid))?,
            _ => None,
        };
        if stack.is_some() {
            may_enter();
        }
        let copy = || self.copy(id, &mappings, stack.as_ref());
        let known = same || self.prepared.tracker(pid).is_some();
        let flags = || (!known).then(|| smaps::smaps(pid));
        let (pages, flags) = match known || mappings.private_bytes() < SMALL {
            true => (copy(), flags()),
            false => beside(copy, flags),
        };
        let pages = pages?;
        if let Some(flags) = flags {
            mappings.update_flags(&flags?)?;
        }
        if stack.is_none() {
            may_enter();
        }
        Ok(Copied {
            mappings,
            guards: pages.guards,
            stats: pages.stats,
            time: started.elapsed(),
        })
    }

    fn copy(
        &self,
        id: VirtualId,
        mappings: &Mappings,
        stack: Option<&StackCopy>,
    ) -> Result<TaskPages> {
        let pid = mappings.pid();
        match self.prepared.parent(pid) {
            Some(parent) => self.pages.task_against(id, mappings, parent),
            None => {
                let tracker = self.prepared.tracker(pid);
                self.pages.task_beside(id, mappings, tracker, stack)
            }
        }
    }
}

/// What is asked for.
enum Order {
    Copy(Asked),
    Write,
}

/// What is told: at first, then of each task, in this order, and at last.
#[derive(Debug)]
enum Told {
    Runs,
    MayEnter,
    Copied(Copied),
    Written,
}

/// A thread that copies memory in the order in which it is asked for; it ends when this is dropped.
pub struct Copier<'scope> {
    orders: Sender<Order>,
    told: Receiver<Result<Told>>,
    thread: ScopedJoinHandle<'scope, Trackers>,
}

/// What tracks the tasks' writes, with pre-copy.
pub type Trackers = HashMap<Pid, Tracker>;

impl<'scope> Copier<'scope> {
    /// Starts the thread.
    pub fn start<'p: 'scope, 's: 'scope, S: ImageSink + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        mut memory: Memory<'p, 's, S>,
    ) -> Self {
        let (orders, given) = channel();
        let (sender, told) = channel();
        let silence = Silence::of_thread();
        let thread = scope.spawn(move || {
            let _keeping = silence.keep();
            let _ = sender.send(Ok(Told::Runs));
            for order in given {
                let may_enter = || drop(sender.send(Ok(Told::MayEnter)));
                let done = match order {
                    Order::Copy(task) => memory.task(task, &may_enter).map(Told::Copied),
                    Order::Write => memory.pages.write_held().map(|()| Told::Written),
                };
                // Nobody waits for the others after a failure.
                if sender.send(done).is_err() {
                    break;
                }
            }
            memory.prepared.trackers
        });
        Self {
            orders,
            told,
            thread,
        }
    }

    /// Waits until the thread runs, which has nothing to do yet. To be called before anything else.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] where the thread has ended with a panic.
    pub fn runs(&self) -> Result<()> {
        match self.next()? {
            Told::Runs => Ok(()),
            _ => unreachable!("nothing was asked for"),
        }
    }

    /// Has the memory of a task copied, which nothing of ours is in.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] where the thread has ended with a panic.
    pub fn copy(&self, task: Asked) -> Result<()> {
        self.order(Order::Copy(task))
    }

    fn order(&self, order: Order) -> Result<()> {
        self.orders.send(order).map_err(|_| Error::Cancelled)
    }

    /// Waits until the next task may be entered: what that changes in it is not copied any more.
    ///
    /// # Errors
    ///
    /// Why it could not be copied.
    pub fn may_enter(&self) -> Result<()> {
        match self.next()? {
            Told::MayEnter => Ok(()),
            _ => unreachable!("the task before was waited for"),
        }
    }

    /// Waits for the memory of the next task, whether it was entered or not.
    ///
    /// # Errors
    ///
    /// Why it could not be copied.
    pub fn wait(&self) -> Result<Copied> {
        loop {
            if let Told::Copied(copied) = self.next()? {
                return Ok(copied);
            }
        }
    }

    /// Has the thread write the pages that are held, of tasks that were all waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] where the thread has ended with a panic.
    pub fn write(&self) -> Result<()> {
        self.order(Order::Write)
    }

    /// Waits until it has.
    ///
    /// # Errors
    ///
    /// Why they could not be written.
    pub fn written(&self) -> Result<()> {
        match self.next()? {
            Told::Written => Ok(()),
            _ => unreachable!("all tasks were waited for"),
        }
    }

    fn next(&self) -> Result<Told> {
        let started = Instant::now();
        while started.elapsed() < SPIN {
            match self.told.try_recv() {
                Err(TryRecvError::Empty) => yield_now(),
                told => return told.map_err(|_| Error::Cancelled)?,
            }
        }
        self.told.recv().map_err(|_| Error::Cancelled)?
    }

    /// Ends the thread; gives what tracked the tasks' writes. To end that takes as long as a scan,
    /// and is better done when the tree runs again.
    pub fn finish(self) -> Trackers {
        drop(self.orders);
        let trackers = self.thread.join();
        trackers.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Calls both, the second in a thread of its own.
pub fn beside<A, B: Send>(here: impl FnOnce() -> A, there: impl FnOnce() -> B + Send) -> (A, B) {
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
