//! Getting ready to read records.

use std::path::Path;
use std::sync::LazyLock;
use std::thread;

use commensal_sys::Result;
use commensal_sys::task_iter::{FileRecord, KernelTypes, Reader, TaskRecord, ThreadRecord};

use super::task;

/// Where it is kept, for the next dump, which fields of the kernel's structures are where.
const KEPT: &str = "/run/commensal.types";

/// What reads records of any task.
pub struct Readers {
    types: KernelTypes,
    pub(super) tasks: Reader<TaskRecord>,
    pub(super) files: Reader<FileRecord>,
    /// Our own record, to tell what flags mean.
    pub(super) own: Option<TaskRecord>,
}

impl Readers {
    fn load() -> Result<Self> {
        let types = KernelTypes::read(Some(Path::new(KEPT)))?;
        let tasks = Reader::load(&types)?;
        let files = Reader::load(&types)?;
        if let Err(error) = types.keep(Path::new(KEPT)) {
            tracing::debug!(%error, "what was found in the kernel's types is not kept in {KEPT}");
        }
        Ok(Self {
            files,
            own: task::own(&tasks),
            tasks,
            types,
        })
    }

    /// What reads the records of threads, for a task that has more than one.
    pub(super) fn threads(&self) -> Result<Reader<ThreadRecord>> {
        Reader::load(&self.types)
    }
}

/// Readers that a thread of its own gets ready: that takes two milliseconds, as long as the look at a
/// running task of which nothing is known, and twice as long for the first dump since the kernel was started.
pub struct Loading(LazyLock<Option<Readers>, Box<dyn FnOnce() -> Option<Readers> + Send>>);

impl Loading {
    /// Begins.
    pub fn begin() -> Self {
        let loading = thread::spawn(|| {
            let told = |error: &_| {
                tracing::debug!(%error, "the kernel does not tell of tasks: they are asked");
            };
            Readers::load().inspect_err(told).ok()
        });
        Self(LazyLock::new(Box::new(|| loading.join().ok().flatten())))
    }

    /// Of none, so that tasks are asked.
    pub fn none() -> Self {
        Self(LazyLock::new(Box::new(|| None)))
    }

    /// Waits for them; `None` where the kernel does not tell.
    pub fn readers(&self) -> Option<&Readers> {
        self.0.as_ref()
    }
}
