//! The stops that are under way, as we write them down.

use core::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::board::{Board, Stopping};
use super::{Slots, Telling};
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
    /// Which of them a thread has.
    of: RefCell<HashMap<Tid, u32>>,
}

impl Stops {
    pub(super) fn new(telling: Rc<Telling>) -> Self {
        let (slots, of) = <_>::default();
        Self(Rc::new(Inner { telling, slots, of }))
    }

    /// A thread that we trace is about to be asked to stop; `filtered` if it may have seccomp
    /// filters.
    pub fn begin(&self, tid: Tid, filtered: bool) {
        let slot = self.0.slots.borrow_mut().take();
        self.0.of.borrow_mut().insert(tid, slot);
        self.board().note(slot, Stopping { tid, filtered });
    }

    /// The thread's registers are right, or it is gone.
    pub fn done(&self, tid: Tid) {
        if let Some(slot) = self.0.of.borrow_mut().remove(&tid) {
            self.board().clear(slot);
            self.0.slots.borrow_mut().give_back(slot);
        }
    }

    fn board(&self) -> &Board {
        &self.0.telling.board
    }
}
