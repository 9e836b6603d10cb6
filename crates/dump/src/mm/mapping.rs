//! One mapping of a task.

use std::sync::Arc;

use commensal_sys::{Pid, RemoteRange};

use super::classify::{Allow, Facts, Kind};
use super::{MappedFile, MappedFileCache};
use crate::Result;
use crate::proc::maps::{MapsLine, PROT_EXEC};
use crate::proc::smaps::{SmapsEntry, VmFlags};

/// One mapping: what the kernel says of it and what that means.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Its line in `maps`.
    pub line: MapsLine,
    /// Its flags in `smaps`.
    pub flags: VmFlags,
    /// The size of its pages, in bytes.
    pub page_size: u64,
    /// Whether private pages in it may be shared with another process, since a fork(2).
    pub forked: bool,
    /// The protection key that the program gave it; 0 for none.
    pub protection_key: u64,
    /// What it is.
    pub kind: Kind,
    /// The file behind.
    pub file: Option<Arc<MappedFile>>,
}

impl Mapping {
    /// Classifies a mapping of a task.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Refused`] where it cannot be dumped.
    pub(super) fn of(
        pid: Pid,
        entry: SmapsEntry,
        files: &mut MappedFileCache,
        allow: Allow,
    ) -> Result<Self> {
        let SmapsEntry {
            line,
            flags,
            page_size,
            forked,
            protection_key,
        } = entry;
        // Memory that is executable only has one of the kernel's, and gets one in a restore (pkeys(7)).
        let protection_key = match line.prot {
            PROT_EXEC => 0,
            _ => protection_key,
        };
        let file = files.get(pid, &line)?;
        let facts = Facts {
            pid,
            line: &line,
            flags,
            protection_key,
            file: file.as_deref(),
        };
        let kind = facts.kind(allow)?;
        Ok(Self {
            line,
            flags,
            page_size,
            forked,
            protection_key,
            kind,
            file,
        })
    }

    /// Whether the task has pages of its own in it, which are dumped with it.
    pub fn has_private_pages(&self) -> bool {
        match self.kind {
            Kind::Anonymous | Kind::Heap | Kind::HugeAnonymous { .. } => true,
            Kind::File | Kind::Memfd | Kind::HugeMemfd { .. } => !self.line.shared,
            Kind::Vdso | Kind::AioRing => true,
            Kind::SystemV | Kind::Socket => false,
            Kind::Vsyscall | Kind::Vvar | Kind::Uprobes => false,
        }
    }

    /// Whether every page of it is dumped, and not only those that are there.
    pub fn is_dumped_whole(&self) -> bool {
        matches!(self.kind, Kind::Vdso | Kind::AioRing)
    }

    /// The addresses.
    pub const fn range(&self) -> RemoteRange {
        self.line.range
    }
}
