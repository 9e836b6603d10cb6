//! All mappings of a task.

use commensal_sys::{Pid, RemoteRange};

use super::classify::{Allow, Kind};
use super::mapping::Mapping;
use super::{MappedFileCache, Tracker};
use super::{system_v, vdso_mark};
use crate::proc::maps::{self, MapsLine, maps};
use crate::proc::smaps::{SmapsEntry, VmFlags, smaps};
use crate::{Error, Refusal, Result};

/// All mappings of a task, in ascending order.
#[derive(Clone, Debug)]
pub struct Mappings {
    pid: Pid,
    allow: Allow,
    /// The lines of `maps` that this was made of.
    lines: Vec<MapsLine>,
    /// A text of `maps` that is these lines; empty where none was read.
    text: Vec<u8>,
    list: Vec<Mapping>,
}

impl Mappings {
    /// Reads and classifies all mappings of a task, which may be running: what
    /// changes meanwhile is found by [`Mappings::refresh`].
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with everything that cannot be dumped;
    /// [`Error::Gone`] when the task is.
    pub fn read(pid: Pid, files: &mut MappedFileCache, allow: Allow) -> Result<Self> {
        // A running task can unmap a file between smaps and map_files.
        const ATTEMPTS: usize = 5;
        let mut attempt = 1;
        loop {
            match Self::from_smaps(pid, smaps(pid)?, files, allow) {
                Err(Error::Proc { .. }) if attempt < ATTEMPTS => attempt += 1,
                Ok(mappings) => return mappings.with_text(),
                error => return error,
            }
        }
    }

    /// Reads the mappings again, now that the task is stopped: cheap where
    /// nothing was mapped or unmapped since. The flags of mappings that are
    /// still there may be out of date until [`Mappings::update_flags`].
    ///
    /// # Errors
    ///
    /// As [`Mappings::read`].
    pub fn refresh(&mut self, files: &mut MappedFileCache) -> Result<()> {
        let text = maps::text(self.pid)?;
        // To compare the text takes a tenth of the time that taking it apart does.
        if text != self.text && maps::maps(self.pid)? != self.lines {
            *self = Self::read(self.pid, files, self.allow)?;
        }
        Ok(())
    }

    /// With the text of `maps`, if that still says the same.
    fn with_text(mut self) -> Result<Self> {
        let (text, lines) = maps::read_whole(self.pid)?;
        if lines == self.lines {
            self.text = text;
        }
        Ok(self)
    }

    /// The mappings that are there now just as they were read. What is found while the task is
    /// stopped holds until it runs on.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] when the task is.
    pub fn still_there(&self) -> Result<Vec<&Mapping>> {
        let now = maps(self.pid)?;
        let is_there = |mapping: &&Mapping| {
            let start = mapping.line.range.start();
            let index = now.binary_search_by_key(&start, |line| line.range.start());
            index.is_ok_and(|index| now[index] == mapping.line)
        };
        Ok(self.list.iter().filter(is_there).collect())
    }

    /// Takes the flags from an `smaps` that was read since the task stopped. What is not among
    /// the mappings is the parasite's.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] where a mapping is not there any more: the task was not stopped.
    pub fn update_flags(&mut self, smaps: &[SmapsEntry]) -> Result<()> {
        let mut now = smaps.iter().map(|entry| &entry.line);
        if !self.lines.iter().all(|line| now.any(|found| found == line)) {
            let path = crate::proc::path(self.pid, "smaps");
            return Err(crate::proc::unexpected(
                path,
                b"mappings changed while the task was stopped",
            ));
        }
        let mut entries = smaps.iter();
        for mapping in &mut self.list {
            let start = mapping.line.range.start();
            if let Some(entry) = entries.find(|entry| entry.line.range.start() == start) {
                mapping.flags = entry.flags;
            }
        }
        Ok(())
    }

    /// The task has forked since its mappings were read, or may have.
    pub fn may_have_forked(&mut self) {
        for mapping in &mut self.list {
            mapping.forked = mapping.has_private_pages();
        }
    }

    /// Takes our own userfaultfd out of the flags of what it has registered:
    /// it is not the task's.
    pub fn disown(&mut self, tracker: &Tracker) {
        let owned = self.list.iter_mut().filter(|mapping| tracker.owns(mapping));
        owned.for_each(|mapping| mapping.flags = mapping.flags.without(VmFlags::UFFD_WRITE));
    }

    /// The task.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// The size of all mappings that may have pages of the task's own, in bytes.
    pub fn private_bytes(&self) -> u64 {
        let private = self.iter().filter(|mapping| mapping.has_private_pages());
        private.map(|mapping| mapping.range().len()).sum()
    }

    /// Whether the kernel has mapped its page of uprobes there.
    pub fn have_uprobes(&self) -> bool {
        self.iter().any(|mapping| mapping.kind == Kind::Uprobes)
    }

    /// The mappings, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.list.iter()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the task has none: a zombie.
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The mapping that has `addr` in it.
    pub fn find(&self, addr: commensal_sys::RemoteAddr) -> Option<&Mapping> {
        let index = self
            .list
            .partition_point(|mapping| mapping.range().end() <= addr);
        self.list
            .get(index)
            .filter(|mapping| mapping.range().contains(addr))
    }

    fn from_smaps(
        pid: Pid,
        smaps: Vec<SmapsEntry>,
        files: &mut MappedFileCache,
        allow: Allow,
    ) -> Result<Self> {
        let lines = smaps.iter().map(|entry| entry.line.clone()).collect();
        let mut list: Vec<Mapping> = Vec::with_capacity(smaps.len());
        let mut refusals = Vec::new();
        for entry in smaps {
            match Mapping::of(pid, entry, files, allow) {
                Ok(mapping) => {
                    if let Err(mapping) = join_vvar(list.last_mut(), mapping) {
                        list.push(mapping);
                    }
                }
                Err(Error::Refused(more)) => refusals.extend(more),
                Err(error) => return Err(error),
            }
        }
        refusals.extend(split_vvar(pid, &list));
        refusals.extend(lone_part(pid, &list));
        refusals.extend(system_v::incomplete(pid, &list));
        if !refusals.is_empty() {
            return Err(Error::Refused(refusals));
        }
        let list = vdso_mark::resolve(pid, list)?;
        Ok(Self {
            pid,
            allow,
            lines,
            text: Vec::new(),
            list,
        })
    }
}

/// Makes the vDSO's data one mapping, as CRIU's image has it; gives back a
/// mapping that does not continue the vDSO's data below.
fn join_vvar(below: Option<&mut Mapping>, mapping: Mapping) -> Result<(), Mapping> {
    match below {
        Some(below)
            if below.kind == Kind::Vvar
                && mapping.kind == Kind::Vvar
                && below.range().end() == mapping.range().start() =>
        {
            let (start, end) = (below.range().start().get(), mapping.range().end().get());
            below.line.range = RemoteRange::new(start, end).expect("one behind the other");
            Ok(())
        }
        _ => Err(mapping),
    }
}

/// The vDSO's data in several pieces, which a restore could not put back.
fn split_vvar(pid: Pid, list: &[Mapping]) -> Option<Refusal> {
    let second = list
        .iter()
        .filter(|mapping| mapping.kind == Kind::Vvar)
        .nth(1)?;
    Some(super::classify::refusal(
        pid,
        second.range(),
        "a second piece of the vDSO's data",
        "the task has moved its vDSO in pieces",
        "none: this task cannot be restored",
    ))
}

/// The vDSO's code or its data, the other of which the task has unmapped: a restore looks for both.
fn lone_part(pid: Pid, list: &[Mapping]) -> Option<Refusal> {
    let first = |kind| list.iter().find(|mapping| mapping.kind == kind);
    let (part, what) = match (first(Kind::Vdso), first(Kind::Vvar)) {
        (Some(code), None) => (code, "the vDSO's code without its data"),
        (None, Some(data)) => (data, "the vDSO's data without its code"),
        _ => return None,
    };
    Some(super::classify::refusal(
        pid,
        part.range(),
        what,
        "the task has unmapped the other part, and a restore puts back both or none",
        "none: this task cannot be restored",
    ))
}
