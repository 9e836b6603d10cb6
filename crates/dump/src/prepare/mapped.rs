//! The memory of the running tasks.

use std::collections::HashMap;

use commensal_sys::Pid;

use crate::mm::{Allow, MappedFileCache, Mappings, bytes_of};
use crate::records::{Readers, Records, Running};
use crate::{Error, Refusal, Result};

/// What is mapped into the tasks, and what the kernel has written down of them.
#[derive(Debug)]
pub struct Mapped {
    allow: Allow,
    pub(crate) files: MappedFileCache,
    pub(crate) mappings: HashMap<Pid, Mappings>,
    /// What the kernel has written down of the tasks.
    pub records: Records,
    /// What the kernel told of each when its mappings were read.
    told: HashMap<Pid, Running>,
    /// How many bytes of pages each had then.
    sizes: HashMap<Pid, u64>,
}

impl Mapped {
    /// Reads the mappings of the running `tasks`; with it, all in them that cannot be dumped.
    ///
    /// # Errors
    ///
    /// Where a task that is there cannot be read.
    pub fn look(
        tasks: &[Pid],
        readers: Option<&Readers>,
        allow: Allow,
    ) -> Result<(Self, Vec<Refusal>)> {
        let mut mapped = Self {
            allow,
            files: MappedFileCache::default(),
            mappings: HashMap::new(),
            records: Records::of(tasks, readers),
            told: HashMap::new(),
            sizes: HashMap::new(),
        };
        let mut refusals = Vec::new();
        for &pid in tasks {
            match mapped.read(pid) {
                Ok(mappings) => {
                    mapped.mappings.insert(pid, mappings);
                }
                Err(Error::Refused(found)) => refusals.extend(found),
                // It ended, or became another program: seen again when it
                // stands still.
                Err(Error::Gone { .. } | Error::Proc { .. } | Error::Sys(_)) => {}
                Err(error) => return Err(error),
            }
        }
        // Where the kernel tells.
        let open = mapped.told.values().map(|told| told.open).sum();
        let tasks = mapped.mappings.keys();
        mapped.records = mapped.records.with_files(tasks, open, readers);
        Ok((mapped, refusals))
    }

    /// How many bytes of pages each task has by now; where some may stay in the tasks, without those. Of a task that
    /// is gone there are none.
    pub fn measure(&mut self, lazy: bool) {
        let bytes = |(pid, mappings): (&Pid, _)| Some((*pid, bytes_of(mappings, None, lazy).ok()?));
        self.sizes = self.mappings.iter().filter_map(bytes).collect();
    }

    /// What [`Mapped::measure`] found out.
    pub const fn sizes(&self) -> &HashMap<Pid, u64> {
        &self.sizes
    }

    /// Whether a task will hardly be entered.
    pub fn is_told(&self, pid: Pid) -> bool {
        self.told.get(&pid).is_some_and(|told| told.is_whole)
    }

    /// Reads the mappings of a task.
    ///
    /// # Errors
    ///
    /// As [`Mappings::read`].
    pub fn read(&mut self, pid: Pid) -> Result<Mappings> {
        self.told.remove(&pid);
        let told = self.records.running(pid);
        self.told.extend(told.map(|told| (pid, told)));
        Mappings::read(pid, &mut self.files, self.allow)
    }

    /// The mappings of a task that stands still; `same` if the kernel tells that none has changed.
    ///
    /// # Errors
    ///
    /// As [`Mappings::read`].
    pub fn take(&mut self, pid: Pid, same: bool) -> Result<Mappings> {
        match self.mappings.remove(&pid) {
            Some(mappings) if same && self.files.names_hold() => Ok(mappings),
            Some(mut mappings) => {
                mappings.refresh(&mut self.files)?;
                Ok(mappings)
            }
            None => self.read(pid),
        }
    }

    /// Whether the mappings of a task that stands still, and their flags, are as they were read, by how far
    /// the kernel has counted their `changes` now, if it tells.
    pub fn hold(&self, pid: Pid, changes: Option<u64>) -> bool {
        let before = self.told.get(&pid).and_then(|told| told.mapping_changes);
        changes.is_some() && before == changes
    }
}
