//! The stops that are under way, as we write them down.

use core::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::rc::Rc;

use super::Telling;
use super::board::{Board, Stopping};
use crate::Tid;

/// Threads that were asked to stop (`PTRACE_INTERRUPT`) and whose registers have not been put
/// right since.
///
/// Until they are, only its tracer's death lets such a thread go on, and a call that answers any
/// stop with EINTR would give that to the program. If we die, the caretaker becomes the tracer of
/// each thread that is written down here before it runs, puts it right, and lets it go.
///
/// It belongs to the thread that the [caretaker](super::Caretaker) belongs to.
#[derive(Clone, Debug)]
pub struct Stops(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    telling: Rc<Telling>,
    slots: RefCell<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    of: HashMap<Tid, u32>,
    free: BTreeSet<u32>,
    used: u32,
}

impl Stops {
    pub(super) fn new(telling: Rc<Telling>) -> Self {
        let slots = RefCell::default();
        Self(Rc::new(Inner { telling, slots }))
    }

    /// A thread that we trace is about to be asked to stop; `filtered` if it may have seccomp
    /// filters.
    pub fn begin(&self, tid: Tid, filtered: bool) {
        let mut slots = self.0.slots.borrow_mut();
        let slot = slots.free.pop_first().unwrap_or_else(|| {
            slots.used += 1;
            slots.used - 1
        });
        slots.of.insert(tid, slot);
        self.board().note(slot, Stopping { tid, filtered });
    }

    /// The thread's registers are right, or it is gone.
    pub fn done(&self, tid: Tid) {
        let mut slots = self.0.slots.borrow_mut();
        let Some(slot) = slots.of.remove(&tid) else {
            return;
        };
        self.board().clear(slot);
        slots.free.insert(slot);
    }

    fn board(&self) -> &Board {
        &self.0.telling.board
    }
}
