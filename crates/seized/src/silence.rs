//! What there is to say while tasks stand still. Who listens may be slow, or not listen at all (a
//! full pipe), and would hold the tasks: so it waits until they run again.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

type Saying = Box<dyn FnOnce() + Send>;

/// What waits; the last holder says it.
#[derive(Default)]
struct Waiting(Mutex<Vec<Saying>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let waiting = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for say in mem::take(waiting) {
            say();
        }
    }
}

thread_local! {
    static KEPT: RefCell<Option<Silence>> = const { RefCell::new(None) };
}

/// What is to be said by [`later`] in the threads that keep this silence waits for the end of it:
/// for the last of all clones to be dropped, and of the threads to keep it.
#[derive(Clone, Default)]
pub struct Silence(Arc<Waiting>);

impl Silence {
    /// That which this thread keeps, or a new one.
    pub fn of_thread() -> Self {
        KEPT.with_borrow(|kept| kept.clone().unwrap_or_default())
    }

    /// Nothing of what waits is said.
    fn forget(&self) {
        let mut waiting = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.clear();
    }

    /// Has this thread keep it.
    pub fn keep(self) -> Keeping {
        Keeping {
            before: KEPT.replace(Some(self)),
            of_thread: PhantomData,
        }
    }
}

/// A thread that keeps a [`Silence`], until this is dropped.
#[must_use = "the silence is over when this is dropped"]
pub struct Keeping {
    before: Option<Silence>,
    of_thread: PhantomData<*const ()>,
}

impl Drop for Keeping {
    fn drop(&mut self) {
        // Ended where the cell is not borrowed: what is said may come back here.
        let ended = KEPT.replace(self.before.take());
        drop(ended);
    }
}

/// Calls `say`, which tells somebody something: at once, or at the end of the [`Silence`] that this
/// thread keeps.
pub fn later(say: impl FnOnce() + Send + 'static) {
    let Some(Silence(waiting)) = KEPT.with_borrow(Clone::clone) else {
        return say();
    };
    let mut waiting = waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.push(Box::new(say));
}

/// Calls `work`, and has nothing said that it would say by [`later`]: what it does is done again by
/// who says it.
pub fn unsaid<T>(work: impl FnOnce() -> T) -> T {
    let silence = Silence::default();
    let keeping = silence.clone().keep();
    let result = work();
    silence.forget();
    drop(keeping);
    result
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::thread;

    use super::*;

    fn say(to: &Sender<u32>, what: u32) {
        let to = to.clone();
        later(move || to.send(what).unwrap());
    }

    /// Another thread keeps the same silence, and says something.
    fn say_beside(to: &Sender<u32>, what: u32) {
        let same = Silence::of_thread();
        let to = to.clone();
        let thread = thread::spawn(move || {
            let _keeping = same.keep();
            say(&to, what);
        });
        thread.join().unwrap();
    }

    #[test]
    fn nothing_waits_where_no_silence_is_kept() {
        let (to, said) = channel();
        say(&to, 1);
        assert_eq!(said.try_recv(), Ok(1));
    }

    #[test]
    fn what_several_threads_say_waits_in_its_order() {
        let (to, said) = channel();
        let keeping = Silence::of_thread().keep();
        say(&to, 1);
        say_beside(&to, 2);
        say(&to, 3);
        assert!(said.try_recv().is_err());
        drop(keeping);
        assert_eq!(said.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn what_is_unsaid_is_never_said() {
        let (to, said) = channel();
        unsaid(|| {
            say(&to, 1);
            say_beside(&to, 2);
        });
        assert!(said.try_recv().is_err());
        say(&to, 3);
        assert_eq!(said.try_iter().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_silence_within_another_ends_with_that() {
        let (to, said) = channel();
        let outer = Silence::of_thread().keep();
        drop(Silence::of_thread().keep());
        say(&to, 1);
        assert!(said.try_recv().is_err());
        drop(outer);
        assert_eq!(said.try_recv(), Ok(1));
    }
}
