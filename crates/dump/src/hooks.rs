//! What the caller of a dump does while it runs: give it up, act at its stages, show progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// A request to give the dump up, set from another thread or a signal handler.
///
/// Clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks for the dump to be given up. The tree is cured and runs on.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The shared flag, for a signal handler to set.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// An error if the dump has been given up: called between steps and between pieces of long
    /// ones.
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(Error::Cancelled),
            false => Ok(()),
        }
    }
}

/// Why a hook failed.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// What the caller does at the stages of a dump. Every method does nothing by default, and `()`
/// is the caller who does nothing.
pub trait Hooks: Sync {
    /// The tree, which has a network namespace of its own, is stopped and about to be saved. An
    /// error fails the dump.
    fn network_lock(&self) -> Result<(), HookError> {
        Ok(())
    }

    /// The tree is about to run on after [`Hooks::network_lock`] was called.
    fn network_unlock(&self) {}

    /// The images are complete; the tree is still stopped, unless
    /// [`Hooks::needs_stopped_tree`] says that this does not matter. After an error the images
    /// stay, and the tree runs on whatever [`Then`](crate::Then) says.
    fn dumped(&self) -> Result<(), HookError> {
        Ok(())
    }

    /// After [`Hooks::dumped`], pages that stay in the tree can be fetched, at this port if we listen at
    /// one. After an error the tree runs on.
    ///
    /// # Errors
    ///
    /// Where the client shall not come.
    fn lazy_pages(&self, _port: Option<u16>) -> Result<(), HookError> {
        Ok(())
    }

    /// Whether [`Hooks::dumped`] needs the tree to stand still. Where it does not, a tree that is
    /// to run on is let go before its smaller images are written.
    fn needs_stopped_tree(&self) -> bool {
        false
    }

    /// `done` of `total` bytes of pages have been written. Called from any thread.
    fn pages(&self, _done: u64, _total: u64) {}
}

impl Hooks for () {}
