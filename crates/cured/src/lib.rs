//! Proof that the parasite is gone, and the ways to let go.
//!
//! A [`Cured`] can only be made from an infected task whose every trace was
//! removed, or from one that no parasite ever was in. It cannot be infected again: what is left to do is to let go.
#![forbid(unsafe_code)]

use commensal_seized::{Error, Landed, Pid, Seized};
use rustix::process::{Signal, kill_process};

/// A task without the parasite, still held. Dropping it resumes the task.
#[derive(Debug)]
pub struct Cured(Seized);

impl Cured {
    /// For the crate that removes the parasite: `proof` is that nothing of ours
    /// runs in the task any more.
    ///
    /// # Panics
    ///
    /// When it is the proof of another task.
    #[doc(hidden)]
    pub fn new(task: Seized, proof: Landed) -> Self {
        assert_eq!(proof.pid(), task.pid(), "the proof is of another task");
        Self(task)
    }

    /// A task that is held, and never had a parasite: there is nothing to remove.
    pub fn untouched(task: Seized) -> Self {
        Self(task)
    }

    /// The task's id.
    pub fn pid(&self) -> Pid {
        self.0.pid()
    }

    /// The held task, for reading.
    pub fn task(&self) -> &Seized {
        &self.0
    }

    /// Lets the task go on as it was found; one that was stopped stays so.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] for the first thread that could not be let go.
    pub fn resume(self) -> Result<(), Error> {
        self.0.release()
    }

    /// Lets the task go, stopped by SIGSTOP as by a user's hand: it runs on at
    /// the next SIGCONT.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the task could not be signalled or let go.
    pub fn leave_stopped(self) -> Result<(), Error> {
        // Queued while the threads are held: they stop before they run.
        self.signal(Signal::STOP)?;
        self.0.release()
    }

    /// Ends the task: SIGKILL.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the task could not be signalled.
    pub fn kill(self) -> Result<(), Error> {
        self.signal(Signal::KILL)?;
        self.0.release()
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        let pid = self.0.pid();
        kill_process(pid.to_rustix(), signal)
            .map_err(|errno| commensal_sys::Error::new("kill", pid.get(), errno).into())
    }
}
