//! A tree that CRIU brought back.

use crate::harness::process;

/// A restored tree; killed when dropped.
#[derive(Debug)]
pub struct Restored {
    pid: u32,
}

impl Restored {
    pub(super) fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// The tree's root.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        process::kill_tree(self.pid);
    }
}
