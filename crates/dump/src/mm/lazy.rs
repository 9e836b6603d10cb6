//! Pages that stay in the tasks when the images are complete (CRIU's `--lazy-pages`): the restore has
//! the tasks run before their memory is there, and `criu lazy-pages` fetches it from us, page by page
//! as it is touched and the rest in the background. The tree stands still until it has all.

mod server;

use std::collections::HashMap;
use std::sync::Mutex;

use commensal_sys::process_vm::Batch;
use commensal_sys::{PAGE_SIZE, RemoteRange};

use super::Mappings;
use super::copy::{PageSource, lock};
use super::memory::TaskMemory;
use super::pagemap::{Run, flags};
use crate::pidns::VirtualId;
use crate::{Error, Result};

pub use server::LazyServer;

/// The pages of a tree that are fetched when its images are complete, by the ids of its tasks.
#[derive(Default)]
pub struct LazyPages(Mutex<HashMap<u64, Task>>);

#[derive(Default)]
struct Task {
    /// The pages that the stack pointers of its threads point to, in ascending order: a restore needs
    /// them before anybody can fetch a page.
    stacks: Vec<u64>,
    /// Where the pages are, in ascending order.
    ranges: Vec<RemoteRange>,
    memory: Option<TaskMemory>,
}

impl LazyPages {
    /// The threads of a task that stands still have these stack pointers.
    pub fn begin(&self, id: VirtualId, stacks: impl Iterator<Item = u64>) {
        let mut stacks: Vec<u64> = stacks.map(|stack| stack & !(PAGE_SIZE - 1)).collect();
        stacks.sort_unstable();
        stacks.dedup();
        let task = Task {
            stacks,
            ..Task::default()
        };
        lock(&self.0).insert(number(id), task);
    }

    /// What decides for a task's pages whether they stay.
    pub(super) fn sorter(&self, id: VirtualId) -> Sorter {
        let task = lock(&self.0).remove(&number(id));
        let stacks = task.map(|task| task.stacks);
        Sorter {
            stacks: stacks.unwrap_or_default(),
            ranges: Vec::new(),
        }
    }

    /// Keeps what stays in a task with these mappings.
    pub(super) fn keep(&self, id: VirtualId, mappings: &Mappings, sorter: Sorter) {
        let task = Task {
            stacks: Vec::new(),
            ranges: sorter.ranges,
            memory: Some(TaskMemory::of(mappings)),
        };
        lock(&self.0).insert(number(id), task);
    }

    /// Which of these pages of a task can be read at once: they stay, and follow each other.
    fn find(&self, id: u64, address: u64, pages: u64) -> Option<RemoteRange> {
        let tasks = lock(&self.0);
        let ranges = &tasks.get(&id)?.ranges;
        let first = ranges.partition_point(|range| range.end().get() <= address);
        let range = ranges.get(first)?.as_u64();
        let end = pages.checked_mul(PAGE_SIZE)?.checked_add(address)?;
        let is_page = address.is_multiple_of(PAGE_SIZE) && range.start <= address;
        RemoteRange::new(address, range.end.min(end)).filter(|found| is_page && !found.is_empty())
    }

    /// Reads a part of what [`LazyPages::find`] gave.
    fn read(&self, id: u64, range: RemoteRange, buf: &mut [u8]) -> Result<()> {
        let tasks = lock(&self.0);
        let memory = tasks.get(&id).and_then(|task| task.memory.as_ref());
        let memory = memory.ok_or(Error::Cancelled)?;
        let mut batch = Batch::default();
        assert!(batch.push(range), "an empty batch takes one range");
        memory.read(&batch, buf)
    }
}

fn number(id: VirtualId) -> u64 {
    u64::from(id.for_image())
}

/// Sorts the pages of a task into those that stay and those that are written.
pub(super) struct Sorter {
    stacks: Vec<u64>,
    ranges: Vec<RemoteRange>,
}

impl Sorter {
    /// Gives a run on, with those of its pages that stay as no longer present in the images.
    pub fn add(&mut self, run: Run, add: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
        if run.flags != flags::PRESENT | flags::LAZY {
            return add(run);
        }
        let all = run.range.as_u64();
        let first = self.stacks.partition_point(|stack| *stack < all.start);
        let mut next = all.start;
        for at in first..self.stacks.len() {
            let stack = self.stacks[at];
            if stack >= all.end {
                break;
            }
            self.leave(next, stack, add)?;
            next = stack + PAGE_SIZE;
            add(Run {
                range: range(stack, next),
                flags: flags::PRESENT,
            })?;
        }
        self.leave(next, all.end, add)
    }

    fn leave(
        &mut self,
        start: u64,
        end: u64,
        add: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        if start == end {
            return Ok(());
        }
        let mut run = Run {
            range: range(start, end),
            flags: flags::LAZY,
        };
        add(run)?;
        if let Some(last) = self.ranges.last_mut()
            && last.end() == run.range.start()
        {
            run.range = range(last.start().get(), end);
            *last = run.range;
            return Ok(());
        }
        self.ranges.push(run.range);
        Ok(())
    }

    /// How many pages stay.
    pub fn pages(&self) -> u64 {
        self.ranges
            .iter()
            .map(|range| range.len() / PAGE_SIZE)
            .sum()
    }
}

fn range(start: u64, end: u64) -> RemoteRange {
    RemoteRange::new(start, end).expect("in order")
}

#[cfg(test)]
mod tests;
