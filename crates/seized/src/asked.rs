//! Stopping a task in two steps, for one that cannot come to rest yet.

use std::collections::HashMap;
use std::time::Instant;

use commensal_sys::{Pid, Tid};

use crate::gadget::Gadgets;
use crate::held::Held;
use crate::seize::tids;
use crate::status::{Seccomp, Status};
use crate::{Error, Maps, STOP_TIMEOUT, Seized};

/// A task whose threads have been asked to stop, and were not waited for.
///
/// It is for a task that a control group's freezer keeps from running: it stops for us when the
/// group is thawed, before it runs an instruction of its own. Dropping this lets it go as it was
/// found.
#[derive(Debug)]
pub struct Asked {
    gadgets: Option<Gadgets>,
    seccomp: HashMap<Tid, Seccomp>,
    held: Held,
}

impl Asked {
    /// Seizes all threads of task `pid` and asks each to stop.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`], [`Error::Traced`], [`Error::NotPermitted`]; the task is let go then.
    pub fn ask(pid: Pid) -> Result<Self, Error> {
        let gadgets = Maps::read(pid)
            .ok()
            .and_then(|maps| Gadgets::find(pid, &maps));
        let mut seccomp = HashMap::new();
        let mut held = Held::new(pid)?;
        for tid in tids(pid)? {
            if let Some(status) = Status::read(pid, tid)? {
                seccomp.insert(tid, status.seccomp);
                held.attach(tid, Some(status.seccomp))?;
            }
        }
        match held.unsettled() {
            [] => Err(Error::Gone(pid)),
            _ => Ok(Self {
                gadgets,
                seccomp,
                held,
            }),
        }
    }

    /// The task's id.
    pub fn pid(&self) -> Pid {
        self.held.pid()
    }

    /// Waits until all threads stand still, those included that were born meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Seized::seize`].
    pub fn wait(self) -> Result<Seized, Error> {
        let deadline = Instant::now() + STOP_TIMEOUT;
        Seized::hold(self.held, self.gadgets, self.seccomp, deadline)
    }
}
