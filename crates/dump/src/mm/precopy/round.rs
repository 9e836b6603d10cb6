//! One round: what was written since the one before, copied while the task runs.

use commensal_images::ImageSink;

use super::super::memory::TaskMemory;
use super::super::pagemap::{PageWriter, flags};
use super::super::private::TaskPages;
use super::super::scanner::Scanner;
use super::super::{Kind, Mappings};
use super::running::RunningMemory;
use super::{Known, Tracker, direct_io};
use crate::Result;
use crate::pidns::VirtualId;

impl<S: ImageSink> PageWriter<'_, S> {
    /// Write-protects and copies all pages that were written since the last
    /// round, and lists those that the last round has. A page that is written
    /// while it is copied has lost its protection, and is copied again in the
    /// next round. Gives the number of pages copied; `None` where the task may
    /// have its memory written to without its page tables, and must not be
    /// tracked.
    ///
    /// # Errors
    ///
    /// As [`PageWriter::task`]; memory that is gone by now is no error.
    pub fn round(
        &self,
        id: VirtualId,
        mappings: &Mappings,
        tracker: &mut Tracker,
    ) -> Result<Option<u64>> {
        let pid = mappings.pid();
        if mappings.iter().any(|mapping| mapping.kind == Kind::AioRing) {
            return Ok(None);
        }
        let scanner = Scanner::protecting(pid, tracker)?;
        let (mut found, mut runs, mut pages) = (TaskPages::default(), Vec::new(), Known::default());
        for mapping in mappings.iter().filter(|mapping| tracker.owns(mapping)) {
            scanner.mapping(mapping, &mut found, &mut |run| {
                pages.push(run.range);
                runs.push(run);
                Ok(())
            })?;
        }
        // Behind the protection, in front of the copy: what was under way and
        // is over is in the copy.
        if direct_io::may_be_under_way(pid)? {
            return Ok(None);
        }
        let memory = TaskMemory::of(mappings);
        let running = RunningMemory::new(&memory);
        // Lazily fetched pages are a matter of the last images only.
        let eager = |run: super::super::pagemap::Run| super::super::pagemap::Run {
            flags: run.flags & !flags::LAZY,
            ..run
        };
        let ((), copied) = self.pages(id.pagemap(), &running, |add| {
            runs.into_iter().try_for_each(|run| add(eager(run)))
        })?;
        tracker.round_done(pages, running.into_gone());
        Ok(Some(copied))
    }
}
