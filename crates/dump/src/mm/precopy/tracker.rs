//! Knowing which pages of a running task are written.

use commensal_seized::Seized;
use commensal_sys::userfaultfd::{self, Userfaultfd};
use commensal_sys::{Errno, Pid, RemoteRange};

use super::super::{Mapping, Mappings};
use super::Known;
use crate::Result;
use crate::proc::smaps::VmFlags;

/// A task whose writes are tracked, and what the rounds have of its pages.
///
/// Dropping it, or our death, ends the tracking: the kernel unregisters every
/// mapping and removes all write protection.
#[derive(Debug)]
pub struct Tracker {
    uffd: Userfaultfd,
    /// The mappings that are registered with our descriptor.
    owned: Known,
    /// The pages that the last round has.
    known: Known,
}

impl Tracker {
    /// Stops the task for as long as one system call in it takes, and lets it
    /// run on. None for a task that is stopped (SIGSTOP) anyway: it would keep the descriptor until its
    /// SIGCONT if we died in between.
    ///
    /// # Errors
    ///
    /// [`Error::Seized`](crate::Error::Seized) where the task cannot be
    /// entered, or may not call userfaultfd(2); [`Error::Sys`](crate::Error::Sys)
    /// with EINVAL where the kernel has no asynchronous write protection.
    pub fn open(pid: Pid) -> Result<Option<Self>> {
        let args = [userfaultfd::FLAGS, 0, 0, 0, 0, 0];
        let mut task = Seized::seize(pid)?;
        if task.stop_signal().is_some() {
            task.release()?;
            return Ok(None);
        }
        let fd = task.open_descriptor("userfaultfd", userfaultfd::NR, args)?;
        task.release()?;
        Ok(Some(Self {
            uffd: Userfaultfd::new(pid, fd)?,
            owned: Known::default(),
            known: Known::default(),
        }))
    }

    /// Registers the mappings of a running task, which is stopped for as long as that takes.
    ///
    /// The kernel splits a mapping of which only a part is registered, and mremap(2) fails on
    /// one that was split: so nothing may be mapped between looking and registering.
    ///
    /// # Errors
    ///
    /// As [`Tracker::register`]; [`Error::Seized`](crate::Error::Seized) where the task cannot be
    /// stopped.
    pub fn register_running(&mut self, mappings: &Mappings) -> Result<()> {
        let task = Seized::seize(mappings.pid())?;
        self.register(mappings)?;
        Ok(task.release()?)
    }

    /// Registers all mappings of a stopped task that can be, and learns which are: those that
    /// are there just as they were read, but for what the kernel refuses because it belongs to a
    /// userfaultfd of the task's own. A mapping that was moved, or mapped anew at the place of
    /// another, has lost its registration (mm/mremap.c, mm/vma.c); registered again here, all of
    /// its pages count as written.
    ///
    /// # Errors
    ///
    /// ESRCH when the memory is gone: the task ended, or runs another program.
    pub fn register(&mut self, mappings: &Mappings) -> Result<()> {
        self.owned = Known::default();
        let there = mappings.still_there()?;
        for mapping in there.into_iter().filter(|mapping| may_track(mapping)) {
            match self.uffd.register(mapping.range()) {
                Ok(()) => self.owned.push(mapping.range()),
                Err(error) if matches!(error.errno, Errno::SRCH | Errno::BADF) => {
                    return Err(error.into());
                }
                Err(error) => tracing::debug!("{:?}: {error}", mapping.range()),
            }
        }
        Ok(())
    }

    /// Whether all of a mapping is registered with our descriptor.
    pub fn owns(&self, mapping: &Mapping) -> bool {
        self.owned.holds(mapping.range())
    }

    /// The pages that the last round has.
    pub(in crate::mm) const fn known(&self) -> &Known {
        &self.known
    }

    /// A round is over that has these pages but for those that were `gone`.
    pub(super) fn round_done(&mut self, mut pages: Known, gone: Vec<RemoteRange>) {
        for range in super::known::joined(gone).iter() {
            pages.remove(range);
        }
        self.known = pages;
    }
}

/// Private pages that are copied where they are there. Waiting for missing
/// pages or minor faults is never asked for here: somebody else does.
fn may_track(mapping: &Mapping) -> bool {
    let not = VmFlags::DROPPABLE | VmFlags::UFFD_MISSING | VmFlags::UFFD_MINOR;
    mapping.has_private_pages() && !mapping.is_dumped_whole() && !mapping.flags.intersects(not)
}
