//! Running the thread, and stopping it again.

use core::time::Duration;

use commensal_sys::wait::{Stop, try_wait, wait};
use commensal_sys::{Errno, ptrace};

use super::Injection;
use crate::{Error, STOP_TIMEOUT};

impl Injection {
    /// Runs the thread to its next system call stop.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`], or [`Error::UnexpectedStop`] where it faulted.
    pub fn run_to_syscall_stop(&mut self) -> Result<(), Error> {
        self.resume_to_syscall_stop(0)?;
        self.wait_for_syscall_stop()
    }

    /// Waits until a call that was begun is entered, and lets it be made.
    ///
    /// # Errors
    ///
    /// As [`Injection::run_to_syscall_stop`].
    pub fn pass_entry(&mut self) -> Result<(), Error> {
        self.wait_for_syscall_stop()?;
        self.resume_to_syscall_stop(0)
    }

    /// Waits for the exit of a call whose entry was passed; gives its result.
    ///
    /// # Errors
    ///
    /// As [`Injection::call`].
    pub fn end_call(&mut self, call: &'static str) -> Result<u64, Error> {
        self.wait_for_syscall_stop()?;
        let result = ptrace::registers(self.tid)?.rax;
        match (result as i64).wrapping_neg() {
            errno @ 1..=4095 => Err(Error::Remote {
                call,
                pid: self.pid,
                errno: Errno::from_raw_os_error(errno as i32),
            }),
            _ => Ok(result),
        }
    }

    /// From the entry of a call to its exit; gives its result.
    ///
    /// # Errors
    ///
    /// As [`Injection::call`].
    pub fn finish_syscall(&mut self, call: &'static str) -> Result<u64, Error> {
        self.resume_to_syscall_stop(0)?;
        self.end_call(call)
    }

    fn wait_for_syscall_stop(&mut self) -> Result<(), Error> {
        loop {
            match self.next_stop(STOP_TIMEOUT)? {
                Stop::Syscall => return Ok(()),
                stop => {
                    let signal = self.pass_on(stop)?;
                    self.resume_to_syscall_stop(signal)?;
                }
            }
        }
    }

    /// Lets the thread run freely.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the thread is gone.
    pub fn run(&mut self) -> Result<(), Error> {
        self.resume(0)
    }

    /// Looks after a thread that runs freely: lets it go on after a stop that
    /// is none of ours.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`], or [`Error::UnexpectedStop`] where it faulted.
    pub fn attend(&mut self) -> Result<(), Error> {
        match try_wait(self.tid)? {
            None => Ok(()),
            Some(Stop::Gone) => Err(Error::Gone(self.pid)),
            Some(stop) => {
                self.running = false;
                let signal = self.pass_on(stop)?;
                self.resume(signal)
            }
        }
    }

    /// Stops a thread that runs freely, at an event stop.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`], [`Error::Stuck`], [`Error::UnexpectedStop`].
    pub fn halt(&mut self) -> Result<(), Error> {
        ptrace::interrupt(self.tid)?;
        self.wait_for_event()
    }

    pub(super) fn wait_for_event(&mut self) -> Result<(), Error> {
        loop {
            match self.next_stop(STOP_TIMEOUT)? {
                Stop::Event | Stop::Group(_) => return Ok(()),
                Stop::Syscall => self.resume(0)?,
                stop => {
                    let signal = self.pass_on(stop)?;
                    self.resume(signal)?;
                }
            }
        }
    }

    pub(super) fn resume(&mut self, signal: i32) -> Result<(), Error> {
        ptrace::cont(self.tid, signal)?;
        self.running = true;
        Ok(())
    }

    pub(super) fn resume_to_syscall_stop(&mut self, signal: i32) -> Result<(), Error> {
        ptrace::syscall(self.tid, signal)?;
        self.running = true;
        Ok(())
    }

    fn next_stop(&mut self, timeout: Duration) -> Result<Stop, Error> {
        match wait(self.tid, timeout)? {
            Stop::Gone => Err(Error::Gone(self.pid)),
            stop => {
                self.running = false;
                Ok(stop)
            }
        }
    }

    /// What to go on with after a stop that was not asked for. Everything that
    /// can be blocked is; SIGSTOP cannot, and is delivered: the task is then in
    /// group-stop, in which a held thread may still be run, and stays so when
    /// it is let go. A fault is ours, and never delivered.
    fn pass_on(&self, stop: Stop) -> Result<i32, Error> {
        const SIGSTOP: i32 = 19;
        match stop {
            Stop::Signal(SIGSTOP) => Ok(SIGSTOP),
            Stop::Signal(_) => Err(Error::UnexpectedStop {
                tid: self.tid,
                during: "injected code",
            }),
            _ => Ok(0),
        }
    }
}
