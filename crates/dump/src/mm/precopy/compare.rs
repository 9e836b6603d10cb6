//! Pages that earlier images have just so: found by reading both.
//!
//! What was written between two programs' dumps nobody has tracked. So all of
//! the memory is compared with the images; a page is taken from there only
//! where both are the same to the last byte.

use commensal_images::{ImageSink, PageChain};
use commensal_sys::process_vm::Batch;
use commensal_sys::{Buffer, PAGE_SIZE, RemoteRange};

use super::super::copy::{self, PageSource};
use super::super::memory::TaskMemory;
use super::super::pagemap::{PageWriter, Run, flags};
use super::super::private::TaskPages;
use super::super::scanner::Scanner;
use super::super::{Mapping, Mappings};
use super::running::RunningMemory;
use crate::Result;
use crate::pidns::VirtualId;

/// Bytes that are compared at once.
const CHUNK: usize = 256 << 10;

impl<S: ImageSink> PageWriter<'_, S> {
    /// As [`PageWriter::task`], but pages that `parent` has just so are only
    /// listed.
    ///
    /// # Errors
    ///
    /// As [`PageWriter::task`]; [`Error::Earlier`](crate::Error::Earlier)
    /// where the parent's pages cannot be read.
    pub fn task_against(
        &self,
        id: VirtualId,
        mappings: &Mappings,
        parent: &PageChain,
    ) -> Result<TaskPages> {
        let memory = TaskMemory::of(mappings);
        self.compared(id, mappings, &memory, Some(parent), |_| true)
    }

    /// The pages of a running task, for a later dump to be compared with.
    ///
    /// # Errors
    ///
    /// As [`PageWriter::task_against`]; memory that is gone by now is no error.
    pub fn pre_dump(
        &self,
        id: VirtualId,
        mappings: &Mappings,
        parent: Option<&PageChain>,
    ) -> Result<TaskPages> {
        let memory = TaskMemory::of(mappings);
        let running = RunningMemory::new(&memory);
        let plain = |mapping: &Mapping| !mapping.is_dumped_whole();
        self.compared(id, mappings, &running, parent, plain)
    }

    fn compared(
        &self,
        id: VirtualId,
        mappings: &Mappings,
        memory: &dyn PageSource,
        parent: Option<&PageChain>,
        which: impl Fn(&Mapping) -> bool,
    ) -> Result<TaskPages> {
        let scanner = Scanner::new(mappings.pid(), None)?;
        let mut found = TaskPages::default();
        let comparison = parent.map(|parent| Comparison::new(memory, parent));
        let mut comparison = comparison.transpose()?;
        let (same, written) = self.pages(id.pagemap(), memory, |add| {
            for mapping in mappings.iter().filter(|mapping| which(mapping)) {
                scanner.mapping(mapping, &mut found, &mut |run| match &mut comparison {
                    Some(comparison) => comparison.split(run, add),
                    None => add(run),
                })?;
            }
            Ok(comparison.map_or(0, |comparison| comparison.same))
        })?;
        found.stats.written = written;
        found.stats.in_parent = same;
        Ok(found)
    }
}

/// Splits runs into pages that the parent has just so, and others.
struct Comparison<'a> {
    memory: &'a dyn PageSource,
    parent: &'a PageChain,
    ours: Buffer,
    theirs: Buffer,
    /// Pages that were the same.
    same: u64,
}

impl<'a> Comparison<'a> {
    fn new(memory: &'a dyn PageSource, parent: &'a PageChain) -> Result<Self> {
        Ok(Self {
            memory,
            parent,
            ours: copy::buffer(CHUNK)?,
            theirs: copy::buffer(CHUNK)?,
            same: 0,
        })
    }

    fn split(&mut self, run: Run, add: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
        let mut left = run.range.as_u64();
        while !left.is_empty() {
            let len = (left.end - left.start).min(CHUNK as u64) as usize;
            let (len, known) = self.parent.read(left.start, &mut self.theirs[..len])?;
            let piece = range(left.start, len as u64);
            match known {
                true => self.pages(piece, run.flags, add)?,
                false => add(Run {
                    range: piece,
                    ..run
                })?,
            }
            left.start += len as u64;
        }
        Ok(())
    }

    /// Pages that the parent has in some form.
    fn pages(
        &mut self,
        piece: RemoteRange,
        flags: u32,
        add: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        let mut batch = Batch::default();
        // An empty batch takes one range.
        let _ = batch.push(piece);
        let len = piece.len() as usize;
        self.memory.read(&batch, &mut self.ours[..len])?;
        let page = PAGE_SIZE as usize;
        let ours = self.ours[..len].chunks(page);
        let theirs = self.theirs[..len].chunks(page);
        for (start, (ours, theirs)) in piece.as_u64().step_by(page).zip(ours.zip(theirs)) {
            let same = ours == theirs;
            self.same += u64::from(same);
            add(Run {
                range: range(start, PAGE_SIZE),
                flags: if same { flags::PARENT } else { flags },
            })?;
        }
        Ok(())
    }
}

fn range(start: u64, len: u64) -> RemoteRange {
    RemoteRange::new(start, start + len).expect("in order")
}
