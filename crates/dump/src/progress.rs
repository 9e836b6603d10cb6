//! How far the copying of pages is, for the caller's hook.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Hooks;

/// Adds up what is copied, in any thread.
pub struct Progress<'h> {
    hooks: &'h dyn Hooks,
    done: AtomicU64,
    total: AtomicU64,
}

impl<'h> Progress<'h> {
    /// Nothing done, nothing to do.
    pub fn new(hooks: &'h dyn Hooks) -> Self {
        Self {
            hooks,
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
        }
    }

    /// This many bytes are to be copied, as far as is known.
    pub fn expect(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    /// This many more have been.
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let total = self.total.load(Ordering::Relaxed);
        self.hooks.pages(done, total.max(done));
    }
}
