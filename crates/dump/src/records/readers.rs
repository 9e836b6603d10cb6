//! Getting ready to read records.

use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use commensal_sys::Result;
use commensal_sys::task_iter::{FileRecord, KernelTypes, Reader, TaskRecord, ThreadRecord};

use super::task;

/// Where it is kept, for the next dump, which fields of the kernel's structures are where.
const KEPT: &str = "/run/commensal.types";

/// What reads records of any task and of its threads.
pub struct Readers {
    types: Mutex<KernelTypes>,
    pub(super) tasks: Reader<TaskRecord>,
    /// Our own record, to tell what flags mean.
    pub(super) own: Option<Box<TaskRecord>>,
}

impl Readers {
    fn load() -> Result<Self> {
        let types = KernelTypes::read(Some(Path::new(KEPT)))?;
        let tasks = Reader::load(&types)?;
        Ok(Self {
            own: task::own(&tasks).map(Box::new),
            tasks,
            types: Mutex::new(types),
        })
    }

    /// Keeps what was found in the kernel's types.
    fn keep(&self) {
        if let Err(error) = self.types().keep(Path::new(KEPT)) {
            tracing::debug!(%error, "what was found in the kernel's types is not kept in {KEPT}");
        }
    }

    fn types(&self) -> MutexGuard<'_, KernelTypes> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What reads the records of threads, for a task that has more than one.
    pub(super) fn threads(&self) -> Result<Reader<ThreadRecord>> {
        let reader = Reader::load(&self.types());
        self.keep();
        reader
    }

    /// What reads the records of descriptors, for tasks that have many; `None` where the kernel does not
    /// tell.
    pub(super) fn files(&self) -> Option<Reader<FileRecord>> {
        let reader = Reader::load(&self.types()).inspect_err(told);
        self.keep();
        reader.ok()
    }
}

fn told(error: &commensal_sys::Error) {
    tracing::debug!(%error, "the kernel does not tell of tasks: they are asked");
}

/// Readers that a thread of its own gets ready: that takes longer than the first look at a running task of
/// which nothing is known, and much longer for the first dump since the kernel was started.
pub struct Loading {
    readers: LazyLock<Option<Readers>, Box<dyn FnOnce() -> Option<Readers> + Send>>,
}

impl Loading {
    /// Begins.
    pub fn begin() -> Self {
        let (tell, loaded) = channel();
        thread::spawn(move || {
            if let Ok(readers) = Readers::load().inspect_err(told) {
                readers.keep();
                // Nobody waits for them where nothing is dumped.
                let _ = tell.send(readers);
            }
        });
        Self {
            readers: LazyLock::new(Box::new(move || loaded.recv().ok())),
        }
    }

    /// Of none, so that tasks are asked.
    pub fn none() -> Self {
        Self {
            readers: LazyLock::new(Box::new(|| None)),
        }
    }

    /// Waits for them; `None` where the kernel does not tell.
    pub fn readers(&self) -> Option<&Readers> {
        self.readers.as_ref()
    }
}
