//! A thread on another processor.

use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, scope, yield_now};

use commensal_sys::sched;
use rustix::process::getpid;
use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

/// Keeps a thread on other processors than that of who starts it.
///
/// A virtual machine's kernel takes a processor that has been idle for a while for one that the hypervisor has given
/// away (`available_idle_cpu`, kernel/sched/syscalls.c), and so puts a thread behind the one that starts it, or wakes
/// it up. There it would stay until that one waits.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// Where the thread may run, without and with the processor of who starts it; `None` where it may run on no
    /// other, or that cannot be told.
    processors: Option<(CpuSet, CpuSet)>,
    thread: Arc<OnceLock<Pid>>,
}

impl Elsewhere {
    /// For a thread that the calling one is about to start.
    pub fn than_here() -> Self {
        Self {
            processors: sched::processors(),
            thread: Arc::default(),
        }
    }

    /// For who has started it: brings it there, before it has run at all.
    pub fn bring<T>(&self, thread: &JoinHandle<T>) {
        if let Some((others, _)) = &self.processors {
            // Where it may not be bound, it shares a processor.
            let _ = sched::bind(thread, others);
        }
    }

    /// For who waits for a thread that was brought, and has waited for long: something else may have those
    /// processors, so that it may not even have begun.
    pub fn let_go_of<T>(&self, thread: &JoinHandle<T>) {
        if let Some((_, allowed)) = &self.processors {
            let _ = sched::bind(thread, allowed);
        }
    }

    /// For a thread that cannot be brought, first of all: it goes there by itself.
    pub fn go(&self) {
        if let Some((others, _)) = &self.processors {
            let _ = self.thread.set(gettid());
            let _ = sched_setaffinity(None, others);
        }
    }

    /// For who has started it: lets it go, if it is here.
    pub fn make_way(&self) {
        yield_now();
    }

    /// As [`Elsewhere::let_go_of`], for a thread that went by itself.
    pub fn let_go(&self) {
        if let (Some((_, allowed)), Some(thread)) = (&self.processors, self.thread.get()) {
            let _ = sched_setaffinity(Some(*thread), allowed);
        }
    }
}

/// For a thread that such a thread has started: it may run wherever the process may.
pub fn anywhere() {
    if let Ok(allowed) = sched_getaffinity(Some(getpid())) {
        let _ = sched_setaffinity(None, &allowed);
    }
}

/// Calls both, the second in a thread of its own, which may run anywhere.
pub fn both<A, B: Send>(here: impl FnOnce() -> A, there: impl FnOnce() -> B + Send) -> (A, B) {
    scope(|scope| {
        let there = scope.spawn(|| {
            anywhere();
            there()
        });
        let here = here();
        let there = there.join();
        (
            here,
            there.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread::spawn;

    use super::*;

    fn own() -> CpuSet {
        sched_getaffinity(None).unwrap()
    }

    #[test]
    fn a_thread_that_was_brought_can_be_let_go() {
        let (allowed, elsewhere) = (own(), Elsewhere::than_here());
        let (ask, asked) = channel();
        let (tell, told) = channel();
        let thread = spawn(move || asked.iter().for_each(|()| tell.send(own()).unwrap()));
        elsewhere.bring(&thread);
        let answer = || {
            ask.send(()).unwrap();
            told.recv().unwrap()
        };
        let others = elsewhere.processors.map_or(allowed, |(others, _)| others);
        assert_eq!(answer(), others);
        assert!(others == allowed || others.count() + 1 == allowed.count());
        elsewhere.let_go_of(&thread);
        assert_eq!(answer(), allowed);
        drop(ask);
        thread.join().unwrap();
    }

    #[test]
    fn a_thread_that_went_by_itself_can_be_let_go() {
        let (allowed, elsewhere) = (own(), Elsewhere::than_here());
        let there = elsewhere.clone();
        let (tell, told) = channel();
        let (ask, asked) = channel::<()>();
        let thread = spawn(move || {
            there.go();
            tell.send(own()).unwrap();
            asked.recv().unwrap();
            own()
        });
        elsewhere.make_way();
        let others = elsewhere.processors.map_or(allowed, |(others, _)| others);
        assert_eq!(told.recv().unwrap(), others);
        elsewhere.let_go();
        ask.send(()).unwrap();
        assert_eq!(thread.join().unwrap(), allowed);
    }
}
