//! A thread beside the one that traces.

use std::cell::LazyCell;
use std::sync::mpsc::{Receiver, RecvError, Sender, channel};
use std::thread::{self, JoinHandle};

use commensal_sys::Result;

use crate::elsewhere::Elsewhere;
use crate::records::Readers;
use crate::soon::soon;

/// A thread that does what can be done while the one that traces does something else, before the tree is stopped. At first
/// it gets the [`Readers`] ready, which takes longer than the first look at a running task of which nothing is known, and
/// much longer for the first dump since the kernel was started. It ends when this is dropped.
pub struct Beside {
    given: Sender<Work>,
    elsewhere: Elsewhere,
    thread: JoinHandle<()>,
}

type Work = Box<dyn FnOnce(Option<&Readers>) + Send>;

impl Beside {
    /// Begins.
    pub fn begin() -> Self {
        Self::of(|| Some(Readers::load()))
    }

    /// Of none, so that tasks are asked.
    pub fn none() -> Self {
        Self::of(|| None)
    }

    fn of(load: impl FnOnce() -> Option<Result<Readers>> + Send + 'static) -> Self {
        let (given, work) = channel::<Work>();
        let elsewhere = Elsewhere::than_here();
        let thread = thread::spawn(move || {
            let loaded = load();
            // Where it was begun ahead, there is no log before there is work.
            let readers = LazyCell::new(|| loaded.and_then(Readers::ready));
            while let Ok(work) = soon(&work, || ()) {
                work((*readers).as_ref());
            }
        });
        elsewhere.bring(&thread);
        Self {
            given,
            elsewhere,
            thread,
        }
    }

    /// What the thread tells next.
    ///
    /// # Errors
    ///
    /// Where it has ended with a panic.
    pub fn told<T>(&self, told: &Receiver<T>) -> std::result::Result<T, RecvError> {
        soon(told, || self.elsewhere.let_go_of(&self.thread))
    }

    /// Has the thread do this with the readers, if the kernel tells of tasks; it is not done where the thread has
    /// ended with a panic.
    pub fn give(&self, work: impl FnOnce(Option<&Readers>) + Send + 'static) {
        // Whoever waits for what it tells learns of it.
        let _ = self.given.send(Box::new(work));
    }
}
