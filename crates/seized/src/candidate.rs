//! Looking at a task that is about to be seized.

use std::collections::HashMap;
use std::time::Instant;

use commensal_sys::{Pid, Tid};

use crate::gadget::Gadgets;
use crate::held::{Held, wait_until_interruptible};
use crate::seize::tids;
use crate::status::Seccomp;
use crate::{Error, Maps, STOP_TIMEOUT, Seized};

/// A task that runs, and what seizing it needs to know beforehand: to search and to wait takes
/// longer than all else, and needs no stopped task.
#[derive(Debug)]
pub struct Candidate {
    pid: Pid,
    gadgets: Option<Gadgets>,
    /// The threads' modes before they were stopped.
    seccomp: HashMap<Tid, Seccomp>,
}

impl Candidate {
    /// Looks at the running task `pid`, until none of its threads sleeps uninterruptibly.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`]; [`Error::Stuck`] after [`STOP_TIMEOUT`].
    pub fn look(pid: Pid) -> Result<Self, Error> {
        let gadgets = Maps::read(pid)
            .ok()
            .and_then(|maps| Gadgets::find(pid, &maps));
        Ok(Self {
            gadgets,
            ..Self::look_without_code(pid)?
        })
    }

    /// The same of a task in which hardly any call will be made: the code for that is looked for when one
    /// is.
    ///
    /// # Errors
    ///
    /// As [`Candidate::look`].
    pub fn look_without_code(pid: Pid) -> Result<Self, Error> {
        let deadline = Instant::now() + STOP_TIMEOUT;
        let mut seccomp = HashMap::new();
        for tid in tids(pid)? {
            if let Some(status) = wait_until_interruptible(pid, tid, deadline)? {
                seccomp.insert(tid, status.seccomp);
            }
        }
        Ok(Self {
            pid,
            gadgets: None,
            seccomp,
        })
    }

    /// Stops all threads of the task, those included that are born
    /// meanwhile. All are interrupted before any is waited for.
    ///
    /// # Errors
    ///
    /// As [`Seized::seize`]. The task runs on as before.
    pub fn seize(self) -> Result<Seized, Error> {
        let deadline = Instant::now() + STOP_TIMEOUT;
        Seized::hold(Held::new(self.pid)?, self.gadgets, self.seccomp, deadline)
    }
}
