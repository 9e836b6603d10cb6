//! A thread on another processor.

use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, scope, yield_now};

use commensal_sys::sched;

use rustix::process::getpid;
use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

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
        let processors = sched_getaffinity(None).ok().map(|allowed| {
            let mut others = allowed;
            others.unset(sched_getcpu());
            (others, allowed)
        });
        Self {
            processors: processors.filter(|(others, _)| others.count() > 0),
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

    /// The same for one that cannot be brought: lets it leave, if it is here.
    pub fn make_way(&self) {
        yield_now();
    }

    /// For the thread that was started, first of all: it is bound to the others from here on.
    pub fn begin(&self) {
        if let Some((others, _)) = &self.processors {
            let _ = self.thread.set(gettid());
            // Where it may not be bound, it shares a processor.
            let _ = sched_setaffinity(None, others);
        }
    }

    /// For who waits for the thread, and has waited for long: something else may have those processors.
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
