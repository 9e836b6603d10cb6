//! A thread that does not hear of its tracees' stops.

use core::marker::PhantomData;

use linux_raw_sys::general::{__NR_rt_sigprocmask, SIG_BLOCK, SIG_UNBLOCK};

use crate::raw;

const SIGCHLD: u64 = 1 << 16;

/// Keeps SIGCHLD blocked in the calling thread. A signal that is ignored is
/// nevertheless delivered to a thread that is traced, and stops it; each stop
/// of a target gives such a signal.
#[derive(Debug)]
pub(super) struct Unmindful {
    /// Whether it was not blocked before.
    was_heard: bool,
    /// A mask belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl Unmindful {
    pub(super) fn new() -> Self {
        Self {
            was_heard: change_mask(SIG_BLOCK) & SIGCHLD == 0,
            not_send: PhantomData,
        }
    }
}

impl Drop for Unmindful {
    fn drop(&mut self) {
        if self.was_heard {
            change_mask(SIG_UNBLOCK);
        }
    }
}

/// Blocks or unblocks SIGCHLD; gives the mask before.
fn change_mask(how: u32) -> u64 {
    let (set, mut before) = (SIGCHLD, 0u64);
    let (set, old) = (&raw const set as u64, &raw mut before as u64);
    // SAFETY: the kernel reads 8 bytes of `set` and writes 8 to `before`.
    let _ = unsafe { raw::syscall(__NR_rt_sigprocmask, [u64::from(how), set, old, 8, 0, 0]) };
    before
}
