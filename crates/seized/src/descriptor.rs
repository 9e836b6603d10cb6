//! A descriptor that only the target can open.

use std::fs::{DirEntry, read_dir};
use std::os::fd::OwnedFd;

use commensal_sys::pidfd::PidFd;

use crate::{Error, Injection, LeaveSlot, Seized};

/// close(2).
const CLOSE: u32 = 3;

impl Seized {
    /// Makes a system call that opens a descriptor in the task's main thread,
    /// takes it over, and closes it there: when the task is let go, only this
    /// process has it. Should we die in between, the thread closes it on its
    /// way home.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] with `call`'s name when it fails in the target;
    /// otherwise as [`Injection::prepare`].
    pub fn open_descriptor(
        &mut self,
        call: &'static str,
        nr: u32,
        args: [u64; 6],
    ) -> Result<OwnedFd, Error> {
        // Known beforehand, for no thread runs that could open another.
        let lowest = self.lowest_free_descriptor()?;
        let pidfd = PidFd::open(self.pid())?;
        let mut injection = Injection::prepare(self, self.threads()[0].tid(), None)?;
        injection.check_calls(&[("close", CLOSE, None)])?;
        leave_closing(&mut injection, lowest)?;
        let opened = match injection.call(call, nr, args) {
            Ok(fd) => {
                // A task that shares the table and still runs came first.
                if fd != lowest {
                    leave_closing(&mut injection, fd)?;
                }
                pidfd.duplicate(fd as i32).map_err(Error::from)
            }
            Err(error) => {
                injection.leave_through(LeaveSlot::Home);
                Err(error)
            }
        };
        injection.land()?;
        opened
    }

    /// The number that the task's next descriptor gets.
    fn lowest_free_descriptor(&self) -> Result<u64, Error> {
        let path = format!("/proc/{}/fd", self.pid());
        let entries = read_dir(&path).map_err(|source| Error::Proc { path, source })?;
        let number = |entry: DirEntry| entry.file_name().to_str()?.parse().ok();
        let mut used: Vec<u64> = entries.flatten().filter_map(number).collect();
        used.sort_unstable();
        let mut numbered = used.iter().enumerate();
        let gap = numbered.find(|&(index, &fd)| index as u64 != fd);
        Ok(gap.map_or(used.len(), |(index, _)| index) as u64)
    }
}

/// From now on the way home, with us or without, closes `fd`.
fn leave_closing(injection: &mut Injection, fd: u64) -> Result<(), Error> {
    injection.set_detour(CLOSE, [fd, 0, 0, 0, 0, 0])?;
    injection.leave_through(LeaveSlot::Unmap);
    Ok(())
}
