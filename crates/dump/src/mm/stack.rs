//! The stack of a task, read ahead of the rest.
//!
//! Threads that are entered keep their way home at the low end of `[stack]`
//! (`commensal_seized`), and the parasite changes nothing else of the task. So once the stack has
//! been read, the rest can be copied while the task is asked.

use commensal_sys::RemoteRange;
use commensal_sys::process_vm::Batch;

use super::copy::PageSource;
use super::memory::TaskMemory;
use super::pagemap::Run;
use super::scanner::Scanner;
use super::{Mapping, Mappings, TaskPages, Tracker};
use crate::Result;

/// Bytes of pages above which a stack is not read ahead: they are read while nothing else is done.
const MOST: u64 = 256 << 10;

/// Pages of `[stack]`, as they were before anything was written there.
#[derive(Debug)]
pub struct StackCopy {
    range: RemoteRange,
    runs: Vec<Run>,
    found: TaskPages,
    /// The pages that are in the image, one behind the other.
    bytes: Vec<u8>,
}

impl StackCopy {
    /// Reads the stack of a stopped task; `None` where it has none, or a large one.
    ///
    /// # Errors
    ///
    /// As [`PageWriter::task`](super::PageWriter::task).
    pub fn take(mappings: &Mappings, tracker: Option<&Tracker>) -> Result<Option<Self>> {
        let Some(stack) = mappings.iter().find(|mapping| is_stack(mapping)) else {
            return Ok(None);
        };
        let mut copy = Self {
            range: stack.range(),
            runs: Vec::new(),
            found: TaskPages::default(),
            bytes: Vec::new(),
        };
        let scanner = Scanner::new(mappings.pid(), tracker)?;
        scanner.mapping(stack, &mut copy.found, &mut |run| {
            copy.runs.push(run);
            Ok(())
        })?;
        let mut batch = Batch::default();
        let fits = copy.present().all(|range| batch.push(range));
        if !fits || batch.bytes() as u64 > MOST {
            return Ok(None);
        }
        let mut bytes = vec![0; batch.bytes()];
        TaskMemory::of(mappings).read(&batch, &mut bytes)?;
        copy.bytes = bytes;
        Ok(Some(copy))
    }

    /// Gives what a scan of the mapping gave; `false` for any other mapping.
    pub(super) fn replay(
        &self,
        mapping: &Mapping,
        found: &mut TaskPages,
        add: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<bool> {
        if mapping.range() != self.range {
            return Ok(false);
        }
        found.stats += self.found.stats;
        found.guards.extend(&self.found.guards);
        self.runs.iter().try_for_each(|run| add(*run))?;
        Ok(true)
    }

    /// The ranges that are in the image.
    fn present(&self) -> impl Iterator<Item = RemoteRange> {
        let present = self.runs.iter().filter(|run| run.is_present());
        present.map(|run| run.range)
    }

    /// What was read of a range; `None` where it is elsewhere.
    fn bytes(&self, range: RemoteRange) -> Option<&[u8]> {
        let mut before = 0;
        for present in self.present() {
            if present.contains(range.start()) {
                let start = before + range.start().get() - present.start().get();
                return self
                    .bytes
                    .get(start as usize..(start + range.len()) as usize);
            }
            before += present.len();
        }
        None
    }
}

fn is_stack(mapping: &Mapping) -> bool {
    mapping.line.name == b"[stack]"
}

/// The memory of a task whose stack was read before.
pub(super) struct BesideStack<'a> {
    pub memory: &'a TaskMemory,
    pub stack: &'a StackCopy,
}

impl PageSource for BesideStack<'_> {
    fn read(&self, batch: &Batch, mut buf: &mut [u8]) -> Result<()> {
        let mut rest = Batch::default();
        for range in batch.ranges() {
            let Some(bytes) = self.stack.bytes(range) else {
                assert!(rest.push(range), "a part of a batch is no longer than it");
                continue;
            };
            buf = self.memory.read_gathered(&mut rest, buf)?;
            let (head, tail) = buf.split_at_mut(bytes.len());
            head.copy_from_slice(bytes);
            buf = tail;
        }
        self.memory.read_gathered(&mut rest, buf).map(drop)
    }
}

#[cfg(test)]
mod tests;
