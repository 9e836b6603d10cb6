//! What every other thread is asked, from its own place.
//!
//! Such a thread does not enter the parasite: it makes its few calls from the
//! target's own code and goes home. With no second thread ever inside, the
//! mapping can be removed at any time, whoever dies when.
//!
//! Several threads make each call side by side, as many as the scratch bytes
//! have room for: a stop costs mostly waiting.

use commensal_abi::{ThreadInfo, questions};
use commensal_seized::{Injection, Seized, Tid};

use crate::infect::Parasite;
use crate::questions::ask;
use crate::{Error, Infected};

/// How many threads make their calls side by side at the most.
const BATCH: usize = 16;

impl Infected {
    /// What only thread `tid` can say of itself.
    ///
    /// # Errors
    ///
    /// [`Error::Seized`] where the thread cannot be entered, or is gone.
    pub fn thread_info(&mut self, tid: Tid) -> Result<ThreadInfo, Error> {
        let parasite = self.parasite_mut();
        if tid == parasite.injection.tid() {
            return parasite.trap(Parasite::own_thread_info);
        }
        let infos = parasite.other_threads(&[tid])?;
        let info = infos.into_iter().next();
        Ok(info.expect("a thread was asked"))
    }

    /// The same of all threads, that of the parasite first and the others in the order of the held
    /// task.
    ///
    /// # Errors
    ///
    /// As [`Infected::thread_info`].
    pub fn thread_infos(&mut self) -> Result<Vec<ThreadInfo>, Error> {
        let own = self.tid();
        let mut infos = vec![self.thread_info(own)?];
        infos.extend(self.other_thread_infos()?);
        Ok(infos)
    }

    /// The same of all threads but that of the parasite, in the order of the held task.
    ///
    /// # Errors
    ///
    /// As [`Infected::thread_info`].
    pub fn other_thread_infos(&mut self) -> Result<Vec<ThreadInfo>, Error> {
        let own = self.tid();
        let tids = self.task().threads().iter().map(|thread| thread.tid());
        let others: Vec<Tid> = tids.filter(|&tid| tid != own).collect();
        self.parasite_mut().other_threads(&others)
    }
}

impl Parasite {
    fn other_threads(&mut self, tids: &[Tid]) -> Result<Vec<ThreadInfo>, Error> {
        infos(&mut self.task, tids, Some(&self.injection))
    }
}

/// What only the threads `tids` can say of themselves. `above` is an injection whose frames must be
/// left alone.
pub(crate) fn infos(
    task: &mut Seized,
    tids: &[Tid],
    above: Option<&Injection>,
) -> Result<Vec<ThreadInfo>, Error> {
    let mut infos = Vec::with_capacity(tids.len());
    while infos.len() < tids.len() {
        let injections = prepare(task, &tids[infos.len()..], above)?;
        infos.extend(ask_batch(injections)?);
    }
    Ok(infos)
}

/// Prepares as many threads as there is room for, at least one.
fn prepare(
    task: &mut Seized,
    tids: &[Tid],
    above: Option<&Injection>,
) -> Result<Vec<Injection>, Error> {
    let mut injections: Vec<Injection> = Vec::new();
    for &tid in tids.iter().take(BATCH) {
        match Injection::prepare(task, tid, injections.last().or(above)) {
            Ok(injection) => injections.push(injection),
            Err(commensal_seized::Error::NoScratch(_)) if !injections.is_empty() => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(injections)
}

/// Asks all of `threads`, each call of all side by side.
fn ask_batch(mut threads: Vec<Injection>) -> Result<Vec<ThreadInfo>, Error> {
    let infos = ask::<ThreadInfo>(&mut threads, questions::thread());
    for thread in &mut threads {
        thread.begin_landing()?;
    }
    let tids: Vec<i32> = threads.iter().map(|thread| thread.tid().get()).collect();
    for thread in threads {
        thread.land()?;
    }
    let infos = infos?.into_iter().zip(tids);
    Ok(infos
        .map(|(info, tid)| ThreadInfo { tid, ..info })
        .collect())
}
