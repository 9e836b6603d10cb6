//! Getting ready to read records.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::mpsc::channel;
use std::thread;

use commensal_sys::Result;
use commensal_sys::task_iter::{
    FileRecord, KernelTypes, Reader, TaskRecord, ThreadRecord, Unloaded,
};

use super::task;

/// Where it is kept, for the next dump, which fields of the kernel's structures are where.
const KEPT: &str = "/run/commensal.types";

/// What reads records of any task and of its threads.
pub struct Readers {
    types: KernelTypes,
    pub(super) tasks: Reader<TaskRecord>,
    /// Our own record, to tell what flags mean.
    pub(super) own: Option<Box<TaskRecord>>,
}

impl Readers {
    /// Gives what is to read records of descriptors, too.
    fn load() -> Result<(Self, Unloaded<FileRecord>)> {
        let types = KernelTypes::read(Some(Path::new(KEPT)))?;
        let tasks = Reader::load(&types)?;
        let files = Unloaded::new(&types)?;
        if let Err(error) = types.keep(Path::new(KEPT)) {
            tracing::debug!(%error, "what was found in the kernel's types is not kept in {KEPT}");
        }
        let readers = Self {
            own: task::own(&tasks).map(Box::new),
            tasks,
            types,
        };
        Ok((readers, files))
    }

    /// What reads the records of threads, for a task that has more than one.
    pub(super) fn threads(&self) -> Result<Reader<ThreadRecord>> {
        Reader::load(&self.types)
    }
}

/// Readers that a thread of its own gets ready: that takes two milliseconds, longer than the look at a
/// running task of which nothing is known, and twice as long for the first dump since the kernel was
/// started. Those of tasks, which are wanted first, come first.
pub struct Loading {
    readers: Awaited<Readers>,
    files: Awaited<Reader<FileRecord>>,
}

type Awaited<T> = LazyLock<Option<T>, Box<dyn FnOnce() -> Option<T> + Send>>;

impl Loading {
    /// Begins.
    pub fn begin() -> Self {
        let (ready, readers) = channel();
        let loading = thread::spawn(move || {
            let told = |error: &_| {
                tracing::debug!(%error, "the kernel does not tell of tasks: they are asked");
            };
            let (loaded, files) = Readers::load().inspect_err(told).ok()?;
            // Nobody waits for them where nothing is dumped.
            let _ = ready.send(loaded);
            files.load().inspect_err(told).ok()
        });
        Self {
            readers: LazyLock::new(Box::new(move || readers.recv().ok())),
            files: LazyLock::new(Box::new(|| loading.join().ok().flatten())),
        }
    }

    /// Of none, so that tasks are asked.
    pub fn none() -> Self {
        Self {
            readers: LazyLock::new(Box::new(|| None)),
            files: LazyLock::new(Box::new(|| None)),
        }
    }

    /// Waits for those of tasks and threads; `None` where the kernel does not tell.
    pub fn readers(&self) -> Option<&Readers> {
        self.readers.as_ref()
    }

    /// Waits for that of descriptors; `None` where the kernel does not tell.
    pub fn files(&self) -> Option<&Reader<FileRecord>> {
        self.files.as_ref()
    }
}
