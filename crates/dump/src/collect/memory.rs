//! The memory of the tasks, copied by a thread of its own while the one that traces them asks
//! them: a task is entered as soon as that leaves its copy as it was ([`StackCopy`]). The same thread makes
//! the room for it, before the tree is stopped.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{PoisonError, RwLock};
use std::thread::Scope;
use std::time::{Duration, Instant};

use commensal_images::ImageSink;
use commensal_seized::Silence;
use commensal_sys::{Pid, RemoteRange};

use crate::elsewhere::{Elsewhere, both};
use crate::mm::{Mappings, PageStats, PageWriter, StackCopy, TaskPages};
use crate::pidns::VirtualId;
use crate::prepare::Prepared;
use crate::proc::smaps;
use crate::soon::soon;
use crate::{Error, Result};

/// Bytes of private mappings below which a thread that reads the flags of all mappings costs more
/// than it saves: the kernel walks all page tables for them.
const SMALL: u64 = 64 << 20;

/// What copies the memory of one task after the other.
pub struct Memory<'p, 's, S> {
    prepared: &'p RwLock<Prepared>,
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
    /// Copies with `pages` what was `prepared`, which others may read until it is asked for.
    pub fn new(prepared: &'p RwLock<Prepared>, pages: &'p PageWriter<'s, S>) -> Self {
        Self { prepared, pages }
    }

    /// The private pages of a task that stands still, and its mappings. With pre-copy the flags
    /// are as they were just before the tree was stopped, unless a mapping changed since.
    /// `may_enter` is called once the task may be entered: when its stack was read ahead, or all is
    /// read.
    fn task(&self, asked: Asked, may_enter: &dyn Fn()) -> Result<Copied> {
        let started = Instant::now();
        let prepared = self.prepared.write();
        let mut prepared = prepared.unwrap_or_else(PoisonError::into_inner);
        let Asked {
            pid,
            id,
            forked,
            entered,
            mapping_changes,
        } = asked;
        let same = prepared.mapped.hold(pid, mapping_changes);
        let mut mappings = prepared.mappings(pid, same)?;
        if forked {
            mappings.may_have_forked();
        }
        let stack = match prepared.parent(pid) {
            None if entered => StackCopy::take(&mappings, prepared.tracker(pid))?,
            _ => None,
        };
        if stack.is_some() {
            may_enter();
        }
        let copy = || self.copy(&prepared, id, &mappings, stack.as_ref());
        let known = same || prepared.tracker(pid).is_some();
        let flags = || (!known).then(|| smaps::smaps(pid));
        let (pages, flags) = match known || mappings.private_bytes() < SMALL {
            true => (copy(), flags()),
            false => both(copy, flags),
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
        prepared: &Prepared,
        id: VirtualId,
        mappings: &Mappings,
        stack: Option<&StackCopy>,
    ) -> Result<TaskPages> {
        let pid = mappings.pid();
        match prepared.parent(pid) {
            Some(parent) => self.pages.task_against(id, mappings, parent),
            None => {
                let tracker = prepared.tracker(pid);
                self.pages.task_beside(id, mappings, tracker, stack)
            }
        }
    }
}

/// What is asked for.
enum Order {
    MakeRoom,
    Copy(Asked),
    Write,
}

/// What is told: at first, then of each task, in this order, and at last.
#[derive(Debug)]
enum Told {
    HasRoom,
    MayEnter,
    Copied(Copied),
    Written,
}

/// A thread that copies memory in the order in which it is asked for; it ends when this is dropped.
pub struct Copier {
    /// Whether it can write while the tree stands still.
    is_into_directory: bool,
    /// Whether it was told to.
    writes: Cell<bool>,
    orders: Sender<Order>,
    told: Receiver<Result<Told>>,
    elsewhere: Elsewhere,
}

impl Copier {
    /// Starts the thread, which keeps this silence, and has it make room for all that it may be asked for.
    pub fn start<'scope, 'p: 'scope, 's: 'scope, S: ImageSink + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        memory: Memory<'p, 's, S>,
        silence: Silence,
    ) -> Result<Self> {
        let is_into_directory = memory.pages.is_into_directory();
        let (orders, given) = channel();
        let (sender, told) = channel();
        let elsewhere = Elsewhere::than_here();
        let there = elsewhere.clone();
        scope.spawn(move || {
            there.go();
            let _keeping = silence.keep();
            for order in given {
                let may_enter = || drop(sender.send(Ok(Told::MayEnter)));
                let done = match order {
                    Order::MakeRoom => {
                        memory.pages.make_room();
                        Ok(Told::HasRoom)
                    }
                    Order::Copy(task) => memory.task(task, &may_enter).map(Told::Copied),
                    Order::Write => memory.pages.write_held().map(|()| Told::Written),
                };
                let is_last = matches!(done, Ok(Told::Written));
                // Nobody waits for the others after a failure.
                if sender.send(done).is_err() || is_last {
                    break;
                }
            }
        });
        let copier = Self {
            is_into_directory,
            writes: Cell::new(false),
            orders,
            told,
            elsewhere,
        };
        copier.order(Order::MakeRoom)?;
        copier.elsewhere.make_way();
        Ok(copier)
    }

    /// Waits for the room in memory, before anything else.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] where the thread has ended with a panic.
    pub fn has_room(&self) -> Result<()> {
        match self.next()? {
            Told::HasRoom => Ok(()),
            _ => unreachable!("nothing else was asked for"),
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

    /// All was asked for: the thread writes the pages that are held as soon as it has the last, also if the
    /// tree still stands; but not where it would have to wait for who reads a stream.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] where the thread has ended with a panic.
    pub fn asked_for_all(&self) -> Result<()> {
        match self.is_into_directory {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// Has the thread write the pages that are held, if it was not told to before.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] where the thread has ended with a panic.
    pub fn write(&self) -> Result<()> {
        match self.writes.replace(true) {
            true => Ok(()),
            false => self.order(Order::Write),
        }
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
        soon(&self.told, || self.elsewhere.let_go()).map_err(|_| Error::Cancelled)?
    }
}
