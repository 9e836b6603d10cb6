//! Terminals have numbers, the same after a restore: nobody may open one between the end of a
//! tree and its restore.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};

use super::paths;

/// Taken by every test that opens terminals, before its victim starts; given back when dropped.
#[derive(Debug)]
pub struct Terminals(#[expect(dead_code, reason = "its lock goes when it is closed")] File);

impl Terminals {
    /// Wait until no other test has them, in this process or another.
    pub fn take() -> Self {
        let path = paths::target().join("terminals.lock");
        let lock = File::create(path).expect("the target directory is writable");
        flock(&lock, FlockOperation::LockExclusive).expect("a lock");
        Self(lock)
    }
}
