//! The parasite at work by itself: what `Daemonized` is made of.

use std::os::fd::OwnedFd;

use commensal_abi::{PosixTimer, TaskInfo, ThreadInfo};
use commensal_seized::later;
use commensal_seized::{Failed, Seized};

use crate::infect::Parasite;
use crate::{Answers, Descriptor, Error, Infected, Questions};

const WHOLE: &str = "a transition takes the state whole";

/// A task whose parasite serves requests. Use `Daemonized`, which documents
/// each of these.
#[derive(Debug)]
pub struct Serving {
    /// Taken by the transitions only.
    parasite: Option<Parasite>,
}

#[allow(missing_docs)]
impl Serving {
    pub fn start(task: Infected) -> Result<Self, Failed<Infected, Error>> {
        let mut parasite = task.into_parasite();
        match parasite.run() {
            Ok(()) => Ok(Self {
                parasite: Some(parasite),
            }),
            Err(error) => Err(stopped(error, parasite)),
        }
    }

    pub fn stop(mut self) -> Result<Infected, Failed<Self, Error>> {
        let mut parasite = self.parasite.take().expect(WHOLE);
        match parasite.halt() {
            Ok(()) => Ok(Infected::from_parasite(parasite)),
            Err(error) if error.is_gone() => Err(Failed::gone(error)),
            Err(error) => Err(Failed::kept(
                error,
                Self {
                    parasite: Some(parasite),
                },
            )),
        }
    }

    pub fn task(&self) -> &Seized {
        &self.parasite.as_ref().expect(WHOLE).task
    }

    pub fn ping(&mut self) -> Result<(), Error> {
        self.parasite_mut().ping()
    }

    pub fn task_info(&mut self) -> Result<Box<TaskInfo>, Error> {
        self.parasite_mut().task_info()
    }

    pub fn thread_info(&mut self) -> Result<ThreadInfo, Error> {
        self.parasite_mut().own_thread_info()
    }

    pub fn posix_timers(&mut self, ids: &[i32]) -> Result<Vec<PosixTimer>, Error> {
        self.parasite_mut().posix_timers(ids)
    }

    pub fn descriptors(&mut self, limit: u32) -> Result<Vec<Descriptor>, Error> {
        self.parasite_mut().descriptors(0, limit)
    }

    pub fn survey(&mut self, questions: Questions<'_>) -> Result<Answers, Error> {
        self.parasite_mut().survey(questions)
    }

    pub fn fd(&self, fd: i32) -> Result<OwnedFd, Error> {
        self.parasite.as_ref().expect(WHOLE).fd(fd)
    }

    fn parasite_mut(&mut self) -> &mut Parasite {
        self.parasite.as_mut().expect(WHOLE)
    }
}

/// A daemon that did not start, stopped again.
fn stopped(error: Error, mut parasite: Parasite) -> Failed<Infected, Error> {
    match parasite.halt() {
        Err(gone) if gone.is_gone() => Failed::gone(error),
        _ => Failed::kept(error, Infected::from_parasite(parasite)),
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut parasite) = self.parasite.take() {
            if let Err(error) = parasite.halt() {
                later(move || tracing::warn!(%error, "the parasite did not stop as it should"));
            }
            drop(Infected::from_parasite(parasite));
        }
    }
}
