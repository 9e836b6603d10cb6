//! Getting ready to read records.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// Those that were loaded, if any were; keeps what was found for them, and logs why there are none.
    pub fn ready(loaded: Result<Self>) -> Option<Self> {
        let readers = loaded.inspect_err(told).ok()?;
        readers.keep();
        Some(readers)
    }

    /// Gets them ready.
    ///
    /// # Errors
    ///
    /// Where the kernel does not tell of tasks.
    pub fn load() -> Result<Self> {
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
