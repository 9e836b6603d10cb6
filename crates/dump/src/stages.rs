//! The caller's hooks at their stages, called from the caller's network
//! namespace, wherever the dump runs.

use std::cell::Cell;

use crate::net::namespace::Entered;
use crate::{Error, HookError, Hooks, Result};
use commensal_seized::later;

/// The hooks of one dump. Dropping it unlocks a network that a hook locked.
pub struct Stages<'a> {
    hooks: &'a dyn Hooks,
    network: Option<&'a Entered>,
    locked: Cell<bool>,
}

impl<'a> Stages<'a> {
    /// The hooks of a dump that runs in the tree's `network`, if it has one of
    /// its own.
    pub fn new(hooks: &'a dyn Hooks, network: Option<&'a Entered>) -> Self {
        Self {
            hooks,
            network,
            locked: Cell::new(false),
        }
    }

    /// The tree stands still. Only the network of a namespace of its own is
    /// the hook's to lock.
    ///
    /// # Errors
    ///
    /// The hook's.
    pub fn lock_network(&self) -> Result<()> {
        if self.network.is_none() {
            return Ok(());
        }
        self.locked.set(true);
        let locked = self.outside(|| self.hooks.network_lock())?;
        locked.map_err(|source| Error::Hook {
            stage: "network-lock",
            source,
        })
    }

    /// The tree is about to run on, if `resumes`; otherwise its network stays
    /// locked.
    pub fn unlock_network(&self, resumes: bool) {
        if self.locked.replace(false)
            && resumes
            && let Err(error) = self.outside(|| self.hooks.network_unlock())
        {
            later(move || tracing::error!(%error, "the network could not be unlocked"));
        }
    }

    /// Whether the tree must stand still until the images are complete.
    pub fn need_stopped_tree(&self) -> bool {
        self.hooks.needs_stopped_tree()
    }

    /// The images are complete.
    ///
    /// # Errors
    ///
    /// Where the hook could not be called; within, the hook's.
    pub fn dumped(&self) -> Result<Result<(), HookError>> {
        self.outside(|| self.hooks.dumped())
    }

    /// What stays in the tree can be fetched.
    ///
    /// # Errors
    ///
    /// The hook's.
    pub fn lazy_pages(&self, port: Option<u16>) -> Result<()> {
        let told = self.outside(|| self.hooks.lazy_pages(port))?;
        told.map_err(|source| Error::Hook {
            stage: "status-ready",
            source,
        })
    }

    fn outside<T>(&self, call: impl FnOnce() -> T) -> Result<T> {
        match self.network {
            Some(network) => network.outside(call),
            None => Ok(call()),
        }
    }
}

impl Drop for Stages<'_> {
    fn drop(&mut self) {
        self.unlock_network(true);
    }
}
