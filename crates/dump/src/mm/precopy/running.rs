//! The memory of a task that runs on while it is read.

use std::sync::{Mutex, PoisonError};

use commensal_sys::process_vm::Batch;
use commensal_sys::{PAGE_SIZE, RemoteRange};

use super::super::copy::PageSource;
use super::super::memory::TaskMemory;
use crate::Result;

/// Reads pages that may be gone by now: they are left out of what is known,
/// and whatever stands in the image in their place is never read.
pub(super) struct RunningMemory<'a> {
    memory: &'a TaskMemory,
    gone: Mutex<Vec<RemoteRange>>,
}

impl<'a> RunningMemory<'a> {
    pub fn new(memory: &'a TaskMemory) -> Self {
        Self {
            memory,
            gone: Mutex::default(),
        }
    }

    /// The pages that could not be read.
    pub fn into_gone(self) -> Vec<RemoteRange> {
        self.gone
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn page_by_page(&self, range: RemoteRange, buf: &mut [u8]) {
        let pages = range.as_u64().step_by(PAGE_SIZE as usize);
        for (start, buf) in pages.zip(buf.chunks_mut(PAGE_SIZE as usize)) {
            let page = RemoteRange::new(start, start + buf.len() as u64).expect("in order");
            if self.memory.read_range(page, buf).is_err() {
                buf.fill(0);
                let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
                gone.push(page);
            }
        }
    }
}

impl PageSource for RunningMemory<'_> {
    fn read(&self, batch: &Batch, mut buf: &mut [u8]) -> Result<()> {
        if self.memory.read(batch, buf).is_ok() {
            return Ok(());
        }
        for range in batch.ranges() {
            let (head, tail) = buf.split_at_mut(range.len() as usize);
            if self.memory.read_range(range, head).is_err() {
                self.page_by_page(range, head);
            }
            buf = tail;
        }
        Ok(())
    }
}
