//! What every other thread is asked, from its own place.
//!
//! Such a thread does not enter the parasite: it makes its few calls from the
//! target's own code and goes home. With no second thread ever inside, the
//! mapping can be removed at any time, whoever dies when.
//!
//! Several threads make each call side by side, as many as the scratch bytes
//! have room for: a stop costs mostly waiting.

use commensal_abi::{Sigaltstack, ThreadInfo};
use commensal_seized::{Injection, Tid};
use zerocopy::FromBytes;

use crate::infect::Parasite;
use crate::{Error, Infected};

const SIGALTSTACK: u32 = 131;
const PRCTL: u32 = 157;

const PR_GET_PDEATHSIG: u64 = 2;
const PR_GET_SECUREBITS: u64 = 27;
const PR_GET_TID_ADDRESS: u64 = 40;

/// Where each call leaves its answer in the scratch data, in bytes.
const TID_ADDRESS_AT: usize = size_of::<Sigaltstack>();
const PDEATH_SIG_AT: usize = TID_ADDRESS_AT + 8;
const ANSWERS_LEN: usize = PDEATH_SIG_AT + 4;

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
        let (infos, _) = parasite.other_threads(&[tid])?;
        let info = infos.into_iter().next();
        Ok(info.expect("at least one thread is asked"))
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
        let mut infos = Vec::with_capacity(others.len());
        let mut rest = others.as_slice();
        while !rest.is_empty() {
            let (batch, asked) = self.parasite_mut().other_threads(rest)?;
            infos.extend(batch);
            rest = &rest[asked..];
        }
        Ok(infos)
    }
}

impl Parasite {
    /// Asks the first few of `tids`; gives their answers and how many.
    fn other_threads(&mut self, tids: &[Tid]) -> Result<(Vec<ThreadInfo>, usize), Error> {
        let mut injections = self.prepare(tids)?;
        let infos = ask(&mut injections);
        for injection in &mut injections {
            injection.begin_landing()?;
        }
        for injection in injections {
            injection.land()?;
        }
        let infos = infos?;
        let asked = infos.len();
        Ok((infos, asked))
    }

    /// Prepares as many threads as there is room for, at least one.
    fn prepare(&mut self, tids: &[Tid]) -> Result<Vec<Injection>, Error> {
        let mut injections: Vec<Injection> = Vec::new();
        for &tid in tids.iter().take(BATCH) {
            let above = injections.last().unwrap_or(&self.injection);
            match Injection::prepare(&mut self.task, tid, Some(above)) {
                Ok(injection) => injections.push(injection),
                Err(commensal_seized::Error::NoScratch(_)) if !injections.is_empty() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(injections)
    }
}

/// Asks all of `threads`, each call of all side by side.
fn ask(threads: &mut [Injection]) -> Result<Vec<ThreadInfo>, Error> {
    let at = |thread: &Injection, offset: usize| thread.data().get() + offset as u64;
    let prctl = |option| move |address| [option, address, 0, 0, 0, 0];
    call_all(threads, "sigaltstack", SIGALTSTACK, |thread| {
        [0, at(thread, 0), 0, 0, 0, 0]
    })?;
    call_all(threads, "PR_GET_TID_ADDRESS", PRCTL, |thread| {
        prctl(PR_GET_TID_ADDRESS)(at(thread, TID_ADDRESS_AT))
    })?;
    call_all(threads, "PR_GET_PDEATHSIG", PRCTL, |thread| {
        prctl(PR_GET_PDEATHSIG)(at(thread, PDEATH_SIG_AT))
    })?;
    let securebits = call_all(threads, "PR_GET_SECUREBITS", PRCTL, |_| {
        prctl(PR_GET_SECUREBITS)(0)
    })?;
    let infos = threads.iter().zip(securebits).map(|(thread, securebits)| {
        let answers = thread.read_data::<ANSWERS_LEN>()?;
        Ok(answer(thread.tid(), &answers, securebits as u32))
    });
    infos.collect()
}

/// Makes one call in all of `threads`; gives the results in their order.
fn call_all(
    threads: &mut [Injection],
    call: &'static str,
    nr: u32,
    args: impl Fn(&Injection) -> [u64; 6],
) -> Result<Vec<u64>, Error> {
    for thread in &mut *threads {
        thread.begin_call(call, nr, args(thread))?;
    }
    for thread in &mut *threads {
        thread.pass_entry()?;
    }
    threads
        .iter_mut()
        .map(|thread| Ok(thread.end_call(call)?))
        .collect()
}

/// Takes a thread's answers apart.
fn answer(tid: Tid, answers: &[u8; ANSWERS_LEN], securebits: u32) -> ThreadInfo {
    let (altstack, rest) = Sigaltstack::read_from_prefix(answers).expect("it is the first part");
    let (tid_address, rest) = u64::read_from_prefix(rest).expect("it is the second part");
    let (pdeath_sig, _) = i32::read_from_prefix(rest).expect("it is the third part");
    ThreadInfo {
        tid: tid.get(),
        altstack,
        tid_address,
        pdeath_sig,
        securebits,
        ..ThreadInfo::default()
    }
}
