//! Copying pages into an image: read into a buffer that stays in the
//! processor's second-level cache, written from there, by one or more threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use commensal_images::RawWriter;
use commensal_sys::process_vm::Batch;
use commensal_sys::{Buffer, RemoteRange};

use super::held::{self, Held};
use crate::elsewhere::anywhere;
use crate::{Cancel, Error, Result};

/// Bytes that are read and then written at once: half of a second-level
/// cache of 512 KiB, so that what was read is still there when it is written.
const CHUNK: usize = 256 << 10;

/// How many chunks the caller's thread copies before it starts others: starting one and waiting for
/// its end takes as long as copying several.
const ALONE: u64 = 8;

/// How many threads copy pages: they are bound by memory, not by processors.
pub fn workers() -> usize {
    const MOST: usize = 4;
    // Without a look into the files of control groups.
    let processors = rustix::thread::sched_getaffinity(None);
    processors.map_or(1, |set| (set.count() as usize).min(MOST))
}

/// Memory that pages are read from.
pub(super) trait PageSource: Sync {
    /// Fills `buf`, which is as long as the batch, from its ranges.
    fn read(&self, batch: &Batch, buf: &mut [u8]) -> Result<()>;
}

/// Ranges that go into the image one behind the other.
#[derive(Default)]
struct Chunk {
    batch: Batch,
    /// Where in the image, in bytes.
    offset: u64,
}

/// Buffers of one chunk each, used again for the next task.
#[derive(Debug, Default)]
pub struct Buffers(Mutex<Vec<Buffer>>);

impl Buffers {
    fn take(&self) -> Result<Buffer> {
        let free = lock(&self.0).pop();
        free.map_or_else(|| buffer(CHUNK), Ok)
    }

    /// Makes the first buffer before there is any haste. What cannot be made now is made when it is needed.
    pub fn make_first(&self) {
        lock(&self.0).extend(buffer(CHUNK));
    }

    /// The same for the others that are needed to copy the pages of tasks with so many bytes each, where this many
    /// threads copy next to the caller's.
    pub fn make_others(&self, mut sizes: Vec<u64>, workers: usize) {
        sizes.sort_unstable();
        let held = held::fit(sizes.iter().copied()).tasks;
        let chunks = sizes[held..]
            .iter()
            .map(|bytes| bytes.div_ceil(CHUNK as u64));
        let others = match chunks.max().unwrap_or(0) {
            0..=ALONE => 0,
            chunks => chunks.min(workers as u64),
        };
        for _ in 0..others {
            lock(&self.0).extend(buffer(CHUNK));
        }
    }

    fn give_back(&self, buf: Buffer) {
        lock(&self.0).push(buf);
    }
}

/// One copy: from where, to where, and who is told.
pub(super) struct Copy<'a, 's> {
    pub source: &'a dyn PageSource,
    pub image: &'a Arc<RawWriter<'s>>,
    /// What holds the pages until the tree runs again, as many as it has room for.
    pub held: Option<&'a Held<'s>>,
    pub buffers: &'a Buffers,
    pub cancel: &'a Cancel,
    /// Called with the bytes of each chunk once it is written.
    pub written: &'a (dyn Fn(u64) + Sync),
}

/// What gives ranges to its argument, one after the other.
pub(super) trait Ranges<T>:
    FnOnce(&mut dyn FnMut(RemoteRange) -> Result<()>) -> Result<T>
{
}

impl<T, F: FnOnce(&mut dyn FnMut(RemoteRange) -> Result<()>) -> Result<T>> Ranges<T> for F {}

impl Copy<'_, '_> {
    /// Copies all ranges in their order, with at most this many threads next
    /// to the caller's. Ranges may be of any length; memory in use is one chunk
    /// a thread. The first few are copied by the caller's thread, so that a
    /// small task costs no new one.
    pub fn run<T>(&self, workers: usize, ranges: impl Ranges<T>) -> Result<T> {
        let failure = Failure::default();
        let (sender, receiver) = sync_channel::<Chunk>(workers.max(1) * 2);
        let receiver = Mutex::new(receiver);
        let result = thread::scope(|scope| {
            let (mut threads, mut chunks) = (0, 0);
            let result = Cutter::new(|chunk| {
                chunks += 1;
                if workers <= 1 || chunks <= ALONE {
                    return self.chunk(&chunk);
                }
                if threads < workers {
                    threads += 1;
                    scope.spawn(|| {
                        anywhere();
                        self.work(&receiver, &failure);
                    });
                }
                failure.check()?;
                sender.send(chunk).map_err(|_| Error::Cancelled)
            })
            .all(ranges)?;
            drop(sender);
            Ok(result)
        });
        // What a worker met is the cause of what the scan met.
        failure.into_result()?;
        result
    }

    /// Copies chunks until there are no more. After a failure they are only
    /// taken, so that nobody waits for room in the queue.
    fn work(&self, chunks: &Mutex<Receiver<Chunk>>, failure: &Failure) {
        loop {
            let next = lock(chunks).recv();
            let Ok(chunk) = next else { return };
            if failure.check().is_ok()
                && let Err(error) = self.chunk(&chunk)
            {
                failure.set(error);
            }
        }
    }

    fn chunk(&self, chunk: &Chunk) -> Result<()> {
        self.cancel.check()?;
        let Chunk { batch, offset } = chunk;
        let held = self
            .held
            .and_then(|held| Some((held, held.room(batch.bytes())?)));
        match held {
            Some((held, mut room)) => {
                self.source.read(batch, &mut room)?;
                held.put(self.image, *offset, room);
            }
            None => {
                let mut buffer = self.buffers.take()?;
                let buf = &mut buffer[..batch.bytes()];
                self.source.read(batch, buf)?;
                self.image.write_all_at(buf, *offset)?;
                self.buffers.give_back(buffer);
            }
        }
        (self.written)(batch.bytes() as u64);
        Ok(())
    }
}

/// A buffer that is there, with no page fault left.
pub(super) fn buffer(len: usize) -> Result<Buffer> {
    let failed = |errno| commensal_sys::Error::new("mmap", 0, errno);
    Ok(Buffer::new(len).map_err(failed)?)
}

/// The first error of any worker.
#[derive(Default)]
struct Failure {
    failed: AtomicBool,
    first: Mutex<Option<Error>>,
}

impl Failure {
    fn set(&self, error: Error) {
        lock(&self.first).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    /// An error where there was one; which, [`Failure::into_result`] says.
    fn check(&self) -> Result<()> {
        match self.failed.load(Ordering::Acquire) {
            true => Err(Error::Cancelled),
            false => Ok(()),
        }
    }

    fn into_result(self) -> Result<()> {
        let first = self.first.into_inner();
        first
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .map_or(Ok(()), Err)
    }
}

/// What a thread that panicked left is of no use to anybody, and does no harm.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Cuts ranges into chunks.
struct Cutter<F> {
    emit: F,
    chunk: Chunk,
}

impl<F: FnMut(Chunk) -> Result<()>> Cutter<F> {
    fn new(emit: F) -> Self {
        Self {
            emit,
            chunk: Chunk::default(),
        }
    }

    fn all<T>(mut self, ranges: impl Ranges<T>) -> Result<T> {
        let result = ranges(&mut |range| self.add(range))?;
        self.flush()?;
        Ok(result)
    }

    fn add(&mut self, range: RemoteRange) -> Result<()> {
        let mut left = range.as_u64();
        while !left.is_empty() {
            let room = (CHUNK - self.chunk.batch.bytes()) as u64;
            let len = room.min(left.end - left.start);
            let piece = RemoteRange::new(left.start, left.start + len).expect("in order");
            if len > 0 && self.chunk.batch.push(piece) {
                left.start += len;
            } else {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.chunk.batch.is_empty() {
            return Ok(());
        }
        let next = self.chunk.offset + self.chunk.batch.bytes() as u64;
        let next = Chunk {
            offset: next,
            batch: Batch::default(),
        };
        (self.emit)(std::mem::replace(&mut self.chunk, next))
    }
}

#[cfg(test)]
mod tests;
