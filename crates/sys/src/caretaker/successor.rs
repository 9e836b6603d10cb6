//! Becoming the tracer of the threads that our parent was about to stop when it died.
//!
//! A dying tracer lets its tracees go all at once (`exit_ptrace`, kernel/ptrace.c); from then on
//! anybody may trace them, and each runs as soon as a processor takes it. So beforehand they are
//! bound to the processor that we are on, and we do not leave it to them until all are ours and
//! asked to stop again: they do so before they are back in their program. The kernel does not take it
//! from us for them where we have a real-time priority. Where we may not, a thread of the policy
//! SCHED_BATCH does not preempt us when it wakes up (`check_preempt_wakeup_fair`, kernel/sched/fair.c),
//! but our time slice may end; so it is traced and asked to stop in a single call.

use std::time::{Duration, Instant};

use linux_raw_sys::general::{SCHED_BATCH, SCHED_NORMAL, SCHED_RESET_ON_FORK};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity, sched_yield};

use super::board::Stopping;
use super::hold::Hold;
use crate::ptrace::{self, Options};
use crate::wait::{self, Stop};
use crate::{Tid, sched};

/// Puts the registers of a stopped tracee of the calling thread right; `filtered` if seccomp
/// filters may decide on its calls. It is called in a process that is a copy of one thread of
/// another, so it must not allocate.
pub type PutRight = fn(tid: Tid, filtered: bool);

/// Above whatever a target may have.
const HIGHEST_PRIORITY: i32 = 99;
const SIGSTOP: i32 = 19;
/// How long we wait for one of them, or for our parent's end.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thread that becomes ours.
#[derive(Debug)]
pub(super) struct Heir {
    stopping: Stopping,
    /// The processors it was on before, where it could be bound to ours.
    processors: Option<CpuSet>,
    /// The policy that it had, where it has another now.
    policy: Option<u32>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Our parent's still.
    Theirs,
    Ours,
    Gone,
}

/// Takes over `stops`; `heirs` is empty and has room for all of them. Lets the parent end.
pub(super) fn take_over(
    stops: impl Iterator<Item = Stopping>,
    heirs: &mut Vec<Heir>,
    (parent, hold): (Tid, Option<&Hold>),
    put_right: PutRight,
) {
    let (room, processor) = (heirs.capacity(), processor());
    // Where there is no hold they may go any moment, so this comes first.
    heirs.extend(
        stops
            .take(room)
            .map(|stopping| Heir::bind(stopping, &processor)),
    );
    if heirs.is_empty() {
        return;
    }
    let _ = sched_setaffinity(None, &processor);
    let has_priority = sched::set_fifo(None, HIGHEST_PRIORITY).is_ok();
    if !has_priority {
        heirs.iter_mut().for_each(Heir::make_patient);
    }
    let is_clear = keep_clear(parent, &processor);
    if let Some(hold) = hold {
        hold.let_go();
    }
    seize_all(heirs, is_clear, has_priority);
    for heir in heirs {
        if heir.state == State::Ours {
            set_right(heir.stopping, has_priority, put_right);
        }
        heir.unbind();
        if heir.state == State::Ours {
            let _ = ptrace::detach(heir.stopping.tid, 0);
        }
    }
}

/// The one that we run on.
fn processor() -> CpuSet {
    let mut set = CpuSet::new();
    let index = sched_getcpu();
    if index < CpuSet::MAX_CPU {
        set.set(index);
    }
    set
}

/// Sees to it that nobody keeps our parent from ending: it goes to another processor than ours, if there is
/// one, with our priority, since there may be a caretaker like us. Whether it needs not be given ours.
fn keep_clear(parent: Tid, ours: &CpuSet) -> bool {
    let id = Some(parent.to_rustix());
    let elsewhere = sched_getaffinity(id).and_then(|mut processors| {
        let ours = (0..CpuSet::MAX_CPU).filter(|&index| ours.is_set(index));
        ours.for_each(|index| processors.unset(index));
        sched_setaffinity(id, &processors)
    });
    let _ = sched::set_fifo(Some(parent), HIGHEST_PRIORITY);
    elsewhere.is_ok()
}

/// Asks each to stop as soon as it can be ours.
fn seize_all(heirs: &mut [Heir], parent_is_clear: bool, has_priority: bool) {
    // Between two calls we may lose the processor to one that has just been let go.
    let ask = match has_priority {
        true => |tid| ptrace::seize(tid, Options::default()).and_then(|()| ptrace::interrupt(tid)),
        false => ptrace::attach,
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut left = false;
        for heir in heirs.iter_mut().filter(|heir| heir.state == State::Theirs) {
            let tid = heir.stopping.tid;
            heir.state = match ask(tid) {
                Ok(()) => State::Ours,
                Err(error) if error.is_gone() => State::Gone,
                Err(_) => State::Theirs,
            };
            left |= heir.state == State::Theirs;
        }
        if !left || Instant::now() > deadline {
            return;
        }
        // With a real-time priority, to none but those of the same.
        if has_priority || !parent_is_clear {
            sched_yield();
        }
    }
}

/// Waits until the thread stands still and puts its registers right. One that was not `seized` was
/// asked by a SIGSTOP.
fn set_right(Stopping { tid, filtered }: Stopping, seized: bool, put_right: PutRight) {
    loop {
        match wait::wait(tid, PATIENCE) {
            Ok(Stop::Event | Stop::Group(_)) => return put_right(tid, filtered),
            Ok(Stop::Signal(SIGSTOP)) if !seized => return put_right(tid, filtered),
            Ok(Stop::Signal(signal)) => drop(ptrace::cont(tid, signal)),
            Ok(Stop::Syscall) => drop(ptrace::cont(tid, 0)),
            Ok(Stop::Gone) | Err(_) => return,
        }
    }
}

impl Heir {
    /// Keeps a thread from running before we let it, if it is let go meanwhile.
    fn bind(stopping: Stopping, processor: &CpuSet) -> Self {
        let tid = stopping.tid;
        let id = Some(tid.to_rustix());
        let before = sched_getaffinity(id).ok();
        let bound = |_: &CpuSet| sched_setaffinity(id, processor).is_ok();
        Self {
            stopping,
            processors: before.filter(bound),
            policy: None,
            state: State::Theirs,
        }
    }

    /// Gives a thread that has the usual policy SCHED_BATCH.
    fn make_patient(&mut self) {
        let tid = self.stopping.tid;
        let Ok(before) = sched::policy(tid) else {
            return;
        };
        let flags = before & SCHED_RESET_ON_FORK;
        if before & !SCHED_RESET_ON_FORK == SCHED_NORMAL
            && sched::set_policy(Some(tid), SCHED_BATCH | flags, 0).is_ok()
        {
            self.policy = Some(before);
        }
    }

    /// Lets it run as before: on all processors that it may ever have, if those were all.
    fn unbind(&self) {
        let tid = self.stopping.tid;
        if let Some(policy) = self.policy {
            let _ = sched::set_policy(Some(tid), policy, 0);
        }
        let Some(before) = &self.processors else {
            return;
        };
        let id = Some(tid.to_rustix());
        let mut all = CpuSet::new();
        (0..CpuSet::MAX_CPU).for_each(|index| all.set(index));
        let _ = sched_setaffinity(id, &all);
        if sched_getaffinity(id).is_ok_and(|now| now != *before) {
            let _ = sched_setaffinity(id, before);
        }
    }
}
