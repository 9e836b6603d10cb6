//! Which tasks have the same object.

use core::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use commensal_sys::Pid;
use commensal_sys::kcmp::{self, Resource};

use crate::Result;

/// The objects of one kind that were met, each with a task that has it and its id.
#[derive(Clone, Debug)]
pub(super) struct Register {
    resource: Resource,
    /// In the kernel's order.
    known: Vec<(Pid, u32)>,
    /// By what the kernel has for them.
    told: HashMap<u64, (Pid, u32)>,
}

impl Register {
    pub(super) fn new(resource: Resource) -> Self {
        Self {
            resource,
            known: Vec::new(),
            told: HashMap::new(),
        }
    }

    /// From here on the kernel tells a number of each object; this is that of our own, the first.
    pub(super) fn is_told(&mut self, own: Pid, number: u64) {
        self.told = HashMap::from([(number, (own, 1))]);
    }

    /// The id of the task's object, which the kernel may have told a number of; and the task that had
    /// it first, if any.
    pub(super) fn id(&mut self, pid: Pid, told: Option<u64>) -> Result<(u32, Option<Pid>)> {
        match told {
            Some(number) => Ok(self.find(pid, number)),
            None => self.compare(pid),
        }
    }

    fn find(&mut self, pid: Pid, number: u64) -> (u32, Option<Pid>) {
        let fresh = self.told.len() as u32 + 1;
        match self.told.entry(number) {
            Entry::Occupied(known) => (known.get().1, Some(known.get().0)),
            Entry::Vacant(place) => (place.insert((pid, fresh)).1, None),
        }
    }

    fn compare(&mut self, pid: Pid) -> Result<(u32, Option<Pid>)> {
        let mut failed = None;
        let found = self.known.binary_search_by(|&(known, _)| {
            kcmp::tasks(known, pid, self.resource).unwrap_or_else(|error| {
                failed = Some(error);
                Ordering::Equal
            })
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        Ok(match found {
            Ok(at) => (self.known[at].1, Some(self.known[at].0)),
            Err(at) => {
                let id = self.known.len() as u32 + 1;
                self.known.insert(at, (pid, id));
                (id, None)
            }
        })
    }
}
