//! What a victim tells while nobody may talk to it: counters in a shared file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::MapFlags;

use super::raw::Mapping;

/// How many workers there can be.
pub const WORKERS: usize = 64;
/// Counters of each.
const COUNTERS: usize = 8;
const LEN: usize = WORKERS * COUNTERS * 8;

/// What can go wrong for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Fault {
    /// A system call was interrupted.
    Interrupted = 1,
    /// A call with a timeout came back before or long after it.
    Time = 2,
    /// A register changed.
    Registers = 3,
    /// The signal mask or the pending signals changed.
    Signals = 4,
    /// Memory changed.
    Memory = 5,
    /// A call gave what it should not.
    Result = 6,
}

/// All faults, by number.
pub const FAULTS: [Fault; 6] = [
    Fault::Interrupted,
    Fault::Time,
    Fault::Registers,
    Fault::Signals,
    Fault::Memory,
    Fault::Result,
];

/// The victim's side.
#[derive(Debug)]
pub struct Report(Mapping);

/// The counters of one worker.
#[derive(Debug, Clone, Copy)]
pub struct Worker<'a>(&'a [AtomicU64]);

impl Report {
    /// Open an existing report.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Self(Mapping::file(file, LEN / 8, MapFlags::SHARED)))
    }

    /// The counters of worker `index`.
    pub fn worker(&self, index: usize) -> Worker<'_> {
        Worker(&self.0.counters()[index * COUNTERS..][..COUNTERS])
    }
}

impl Worker<'_> {
    /// A round is over.
    pub fn round(&self) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }

    /// Count a fault unless `good`.
    pub fn check(&self, good: bool, fault: Fault) {
        if !good {
            self.0[fault as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The side of who looks on.
#[derive(Debug)]
pub struct Reader(File);

impl Reader {
    /// Make an empty report.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(path)?;
        file.set_len(LEN as u64)?;
        Ok(Self(file))
    }

    /// Rounds of the first `workers` workers.
    pub fn rounds(&self, workers: usize) -> Vec<u64> {
        self.words()
            .chunks(COUNTERS)
            .take(workers)
            .map(|worker| worker[0])
            .collect()
    }

    /// What went wrong so far, with how often, over all workers.
    pub fn faults(&self) -> Vec<(Fault, u64)> {
        let words = self.words();
        let sum = |fault: Fault| {
            words
                .chunks(COUNTERS)
                .map(|worker| worker[fault as usize])
                .sum()
        };
        let counts = FAULTS.map(|fault| (fault, sum(fault)));
        counts.into_iter().filter(|&(_, count)| count > 0).collect()
    }

    fn words(&self) -> Vec<u64> {
        let mut bytes = [0; LEN];
        self.0
            .read_exact_at(&mut bytes, 0)
            .expect("the report is readable");
        let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
        bytes.chunks(8).map(word).collect()
    }
}
