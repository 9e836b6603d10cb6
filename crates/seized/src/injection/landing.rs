//! The way home.

use crate::later;
use commensal_sys::{Pid, RemoteAddr, RemoteRange, ptrace};

use super::{Injection, LeaveSlot};
use crate::Error;

/// Proof that an injection is over: only its end makes one.
#[derive(Debug)]
pub struct Landed {
    pid: Pid,
}

impl Landed {
    /// The task that was landed.
    pub fn pid(&self) -> Pid {
        self.pid
    }
}

impl Injection {
    /// Whether the stopped thread is still in code of ours: in `mapping`, or on
    /// its way home through a leave slot.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the thread is gone.
    pub fn is_inside(&self, mapping: RemoteRange) -> Result<bool, Error> {
        let regs = ptrace::registers(self.tid)?;
        let rsp = RemoteAddr::new(regs.rsp);
        let scratch = self.scratch.range();
        Ok(mapping.contains(RemoteAddr::new(regs.rip))
            || mapping.contains(rsp)
            || scratch.contains(rsp))
    }

    /// Ends the injection of a thread that went home by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the task is gone.
    pub fn abandon(mut self) -> Result<Landed, Error> {
        (self.entered, self.over) = (false, true);
        self.scratch.restore()?;
        Ok(Landed { pid: self.pid })
    }

    /// Makes the call of the leave slot, as the thread would by itself, and
    /// puts it back where it was, and the scratch bytes with it.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`]; anything else leaves the thread to go home through its
    /// leave slot.
    pub fn land(mut self) -> Result<Landed, Error> {
        self.put_back()?;
        Ok(Landed { pid: self.pid })
    }

    /// Begins to land a thread without waiting for it, so that several can be
    /// landed side by side. [`Injection::land`] must follow.
    ///
    /// # Errors
    ///
    /// As [`Injection::land`].
    pub fn begin_landing(&mut self) -> Result<(), Error> {
        if self.entered && !self.approaching {
            self.make_detour()?;
            // The kernel restarts an interrupted call only on its signal path:
            // so from a system call stop on to an event stop, in which no
            // instruction of the program runs.
            ptrace::interrupt(self.tid)?;
            if !self.running {
                self.resume(0)?;
            }
            self.approaching = true;
        }
        Ok(())
    }

    fn put_back(&mut self) -> Result<(), Error> {
        self.begin_landing()?;
        if self.entered {
            self.wait_for_event()?;
            if self.ran_code {
                ptrace::set_extended_state(self.tid, &self.extended_state)?;
            }
            // The mask first: dying between the two, the leave slot still
            // holds the registers.
            ptrace::set_signal_mask(self.tid, self.mask)?;
            ptrace::set_registers(self.tid, &self.landing)?;
            self.entered = false;
        }
        self.over = true;
        self.scratch.restore()
    }

    /// A call that fails in the target found nothing to undo.
    fn make_detour(&mut self) -> Result<(), Error> {
        if self.leave == LeaveSlot::Home {
            return Ok(());
        }
        if self.running {
            self.halt()?;
        }
        self.leave = LeaveSlot::Home;
        if let Some((nr, args)) = self.detour {
            match self.call("leaving", nr, args) {
                Err(Error::Remote { .. }) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        if !self.over
            && let Err(error) = self.put_back()
            && !error.is_gone()
        {
            let tid = self.tid;
            later(move || tracing::warn!(%tid, %error, "the thread goes home by itself"));
        }
    }
}
