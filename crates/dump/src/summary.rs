//! What a dump did, in numbers.

use std::time::Duration;

/// The figures of one dump that was completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tasks, zombies included.
    pub tasks: u64,
    /// Threads of all tasks.
    pub threads: u64,
    /// Mappings of all tasks.
    pub mappings: u64,
    /// Pages looked at, of 4096 bytes.
    pub pages_scanned: u64,
    /// Pages written, of 4096 bytes.
    pub pages_written: u64,
    /// Pages that were taken from the rounds of a pre-copy, of 4096 bytes.
    pub pages_in_parent: u64,
    /// Pages that were not written but fetched from the tree afterwards, of 4096 bytes.
    pub pages_lazy: u64,
    /// Rounds of copying before the tree was stopped; 0 without pre-copy.
    pub rounds: u32,
    /// Pages that those rounds wrote, the same page each time it was.
    pub pages_pre_copied: u64,
    /// Pages of shared memory looked at, which `pages_scanned` does not count.
    pub shared_pages_scanned: u64,
    /// Pages of shared memory written, which `pages_written` does not count.
    pub shared_pages_written: u64,
    /// Whether the tree has a mount namespace of its own, so that the restore must be given its
    /// root directory (`--root`).
    pub own_mounts: bool,
    /// Whether the tree has a user namespace of its own, whose root may then read the images.
    pub own_users: bool,
    /// Ptys with data that nobody has read and that is not in the images; a warning names each.
    pub unread_terminals: u64,
    /// Bytes of all image files.
    pub bytes_written: u64,
    /// From the first thread asked to stop to the last one stopped.
    pub freezing: Duration,
    /// From the first thread asked to stop to the last one released.
    pub frozen: Duration,
    /// The part of `frozen` in which memory was collected and written.
    pub memory_dump: Duration,
    /// The part of `memory_dump` in which pages were written to the images.
    pub memory_write: Duration,
    /// From the call to its return.
    pub total: Duration,
}
