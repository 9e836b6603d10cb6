//! A task's own pages, into its images.

use commensal_images::ImageSink;
use commensal_sys::RemoteRange;

use super::Mappings;
use super::copy::PageSource;
use super::memory::TaskMemory;
use super::pagemap::{PageStats, PageWriter, Run, flags};
use super::precopy::Tracker;
use super::scanner::Scanner;
use super::stack::{BesideStack, StackCopy};
use crate::Result;
use crate::pidns::VirtualId;

/// What dumping a task's pages found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskPages {
    /// How many pages.
    pub stats: PageStats,
    /// The ranges that `MADV_GUARD_INSTALL` guards, in ascending order.
    pub guards: Vec<RemoteRange>,
}

/// How many bytes of pages [`PageWriter::task`] would write now; where plain memory is `lazy`, it stays in the task.
/// The task may be running.
///
/// # Errors
///
/// [`crate::Error::Sys`] when the task is gone.
pub fn bytes_of(mappings: &Mappings, tracker: Option<&Tracker>, lazy: bool) -> Result<u64> {
    let scanner = Scanner::of_all(mappings, tracker)?;
    let (mut found, mut bytes) = (TaskPages::default(), 0);
    for mapping in mappings.iter() {
        scanner.mapping(mapping, &mut found, &mut |run| {
            let stays = lazy && run.flags & flags::LAZY != 0;
            if run.is_present() && !stays {
                bytes += run.range.len();
            }
            Ok(())
        })?;
    }
    Ok(bytes)
}

impl<S: ImageSink> PageWriter<'_, S> {
    /// The stack pointers of a stopped task's threads: what they point to is in the images, whatever
    /// stays in the task.
    pub fn stacks(&self, id: VirtualId, stacks: impl Iterator<Item = u64>) {
        if let Some(lazy) = self.lazy {
            lazy.begin(id, stacks);
        }
    }

    /// Writes `pagemap-PID.img` and its pages: all private pages of a stopped
    /// task that hold something. Left out are pages that were never there,
    /// the page of zeros, and pages of files that the task did not write to.
    /// Those that `tracker` knows from the last round are only listed.
    ///
    /// `id` is the task's pid in the images.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Sys`] when the task is gone, [`crate::Error::Memory`] where its memory
    /// cannot be read, [`crate::Error::Image`] where the image cannot be written.
    pub fn task(
        &self,
        id: VirtualId,
        mappings: &Mappings,
        tracker: Option<&Tracker>,
    ) -> Result<TaskPages> {
        self.task_beside(id, mappings, tracker, None)
    }

    /// The same, while the task is asked, where its `stack` was read before that.
    ///
    /// # Errors
    ///
    /// As [`PageWriter::task`].
    pub fn task_beside(
        &self,
        id: VirtualId,
        mappings: &Mappings,
        tracker: Option<&Tracker>,
        stack: Option<&StackCopy>,
    ) -> Result<TaskPages> {
        let scanner = Scanner::of_all(mappings, tracker)?;
        let memory = &TaskMemory::of(mappings);
        let beside = stack.map(|stack| BesideStack { memory, stack });
        let source: &dyn PageSource = match &beside {
            Some(beside) => beside,
            None => memory,
        };
        let mut found = TaskPages::default();
        let mut lazy = self.lazy.map(|lazy| (lazy, lazy.sorter(id)));
        let ((), written) = self.pages(id.pagemap(), source, |add| {
            let add: &mut dyn FnMut(Run) -> Result<()> = &mut |run| match &mut lazy {
                Some((_, sorter)) => sorter.add(run, add),
                None => add(run),
            };
            mappings.iter().try_for_each(|mapping| {
                match stack.map(|stack| stack.replay(mapping, &mut found, add)) {
                    Some(Ok(true)) => Ok(()),
                    Some(Err(error)) => Err(error),
                    Some(Ok(false)) | None => scanner.mapping(mapping, &mut found, add),
                }
            })
        })?;
        found.stats.written = written;
        if let Some((lazy, sorter)) = lazy {
            found.stats.lazy = sorter.pages();
            lazy.keep(id, mappings, sorter);
        }
        Ok(found)
    }
}
