//! Reading a task's pages without changing anything about them.
//!
//! process_vm_readv(2) is the fastest way, but it pins the pages that it reads, and the kernel then
//! gives the task copies of those that it still shares with another process since a fork(2)
//! (`FAULT_FLAG_UNSHARE`, mm/memory.c): both would need more memory than before. Such pages are read
//! through `/proc/PID/mem`, which does not pin.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use commensal_sys::pagemap::{Page, Pagemap};
use commensal_sys::process_vm::{Batch, read_batch};
use commensal_sys::{Errno, PAGE_SIZE, Pid, RemoteRange};

use super::Mappings;
use super::copy::PageSource;
use crate::{Error, Result, proc};

/// The memory of a task.
pub(super) struct TaskMemory {
    pid: Pid,
    /// Where pages may be shared since a fork, in ascending order.
    forked: Vec<RemoteRange>,
    /// `/proc/PID/pagemap`, opened when it is first needed.
    pagemap: OnceLock<Pagemap>,
    /// `/proc/PID/mem`, opened when it is first needed.
    mem: OnceLock<File>,
}

impl PageSource for TaskMemory {
    fn read(&self, batch: &Batch, buf: &mut [u8]) -> Result<()> {
        match batch.ranges().any(|range| self.may_be_forked(range)) {
            true => self.read_forked(batch, buf),
            false => self.read_batch(batch, buf),
        }
    }
}

impl TaskMemory {
    /// The memory behind these mappings.
    pub fn of(mappings: &Mappings) -> Self {
        let forked = mappings.iter().filter(|mapping| mapping.forked);
        Self {
            pid: mappings.pid(),
            forked: forked.map(|mapping| mapping.range()).collect(),
            pagemap: OnceLock::new(),
            mem: OnceLock::new(),
        }
    }

    /// Reads through `/proc/PID/mem`, which does not heed protections.
    pub fn read_range(&self, range: RemoteRange, buf: &mut [u8]) -> Result<()> {
        self.mem()?
            .read_exact_at(buf, range.start().get())
            .map_err(|source| Error::Memory {
                pid: self.pid,
                range,
                source,
            })
    }

    fn may_be_forked(&self, range: RemoteRange) -> bool {
        let first = self
            .forked
            .partition_point(|forked| forked.end() <= range.start());
        let next = self.forked.get(first);
        next.is_some_and(|forked| forked.start() < range.end())
    }

    /// Pages that are the task's own, in one call.
    fn read_batch(&self, batch: &Batch, mut buf: &mut [u8]) -> Result<()> {
        match read_batch(self.pid, batch, buf) {
            // A mapping without PROT_READ.
            Err(error) if error.errno == Errno::FAULT => {}
            result => return Ok(result?),
        }
        for range in batch.ranges() {
            let (head, tail) = buf.split_at_mut(range.len() as usize);
            self.read_range(range, head)?;
            buf = tail;
        }
        Ok(())
    }

    /// Reads what was gathered into the start of `buf`, and forgets it; gives the rest of `buf`.
    pub fn read_gathered<'b>(&self, batch: &mut Batch, buf: &'b mut [u8]) -> Result<&'b mut [u8]> {
        let (head, tail) = buf.split_at_mut(batch.bytes());
        if !batch.is_empty() {
            self.read(batch, head)?;
            batch.clear();
        }
        Ok(tail)
    }

    /// Pages of which some are shared: the others are gathered in batches.
    fn read_forked(&self, batch: &Batch, mut buf: &mut [u8]) -> Result<()> {
        let mut own = Batch::default();
        for (range, shared) in self.runs(batch)? {
            if !shared && own.push(range) {
                continue;
            }
            buf = self.read_own(&mut own, buf)?;
            match shared {
                true => {
                    let (head, tail) = buf.split_at_mut(range.len() as usize);
                    self.read_range(range, head)?;
                    buf = tail;
                }
                false => assert!(own.push(range), "an empty batch has room"),
            }
        }
        self.read_own(&mut own, buf).map(drop)
    }

    /// Reads what was gathered into the start of `buf`; gives the rest.
    fn read_own<'b>(&self, own: &mut Batch, buf: &'b mut [u8]) -> Result<&'b mut [u8]> {
        let (head, tail) = buf.split_at_mut(own.bytes());
        if !own.is_empty() {
            self.read_batch(own, head)?;
            own.clear();
        }
        Ok(tail)
    }

    /// The ranges of a batch, cut where shared pages begin and end.
    fn runs(&self, batch: &Batch) -> Result<Vec<(RemoteRange, bool)>> {
        let mut runs: Vec<(RemoteRange, bool)> = Vec::new();
        let mut pages = Vec::new();
        for range in batch.ranges() {
            pages.clear();
            pages.resize((range.len() / PAGE_SIZE) as usize, Page::default());
            self.pagemap()?.pages(range.start(), &mut pages)?;
            let first = runs.len();
            for (page, start) in pages
                .iter()
                .zip((range.start().get()..).step_by(PAGE_SIZE as usize))
            {
                let shared = page.is_shared_since_fork();
                match runs[first..].last_mut() {
                    Some((run, kind)) if *kind == shared => *run = ending(*run, start + PAGE_SIZE),
                    _ => {
                        let page = RemoteRange::new(start, start + PAGE_SIZE);
                        runs.push((page.expect("in order"), shared));
                    }
                }
            }
        }
        Ok(runs)
    }

    fn pagemap(&self) -> Result<&Pagemap> {
        match self.pagemap.get() {
            Some(pagemap) => Ok(pagemap),
            None => {
                let pagemap = Pagemap::open(self.pid)?;
                Ok(self.pagemap.get_or_init(|| pagemap))
            }
        }
    }

    fn mem(&self) -> Result<&File> {
        if let Some(mem) = self.mem.get() {
            return Ok(mem);
        }
        let path = proc::path(self.pid, "mem");
        let mem = File::open(&path).map_err(|source| Error::Proc { path, source })?;
        Ok(self.mem.get_or_init(|| mem))
    }
}

/// The same range with another end.
fn ending(range: RemoteRange, end: u64) -> RemoteRange {
    RemoteRange::new(range.start().get(), end).expect("in order")
}
