//! Pre-copy: most pages are copied while the tree runs, in rounds, and only
//! what was written since the last one while it stands still.
//!
//! - [`Tracker`]: a userfaultfd with asynchronous write protection, which the
//!   task opens in a short stop and only we keep. Its private mappings are
//!   registered from outside. When we die the kernel drops the registration
//!   with our descriptor: nothing is left in the task.
//! - `round`: one `PAGEMAP_SCAN` write-protects the pages that were written
//!   and tells which; the protection comes before the copy, so what is written
//!   during the copy is found by the next scan.
//! - [`Known`]: the pages that the last round has, in its own image or in one
//!   before. A page is taken from there, at the end, only where the kernel
//!   says that it is under our registration and not written, and where the
//!   last round lists it.
//! - `direct_io`: what page tables do not see.
//! - [`PreCopy`], [`Rule`]: when to stop.
//! - `compare`: for CRIU's pre-dump, where another process makes the next
//!   dump and nothing can be tracked in between.
//!
//! Copied whole while the tree stands still: shared memory, mappings that the
//! task itself has registered with a userfaultfd, mappings that appeared,
//! moved or were mapped anew since the last round (mremap(2) and mmap(2) drop
//! a registration, a child of fork(2) and a program after execve(2) have
//! none), the memory of tasks that cannot be tracked, and pages that are
//! swapped out of mappings with a file behind them, which look like pages that
//! were dropped (`MADV_DONTNEED`).
//!
//! While a task is tracked, a userfaultfd of its own cannot register the same
//! mappings (EBUSY), and transparent huge pages are split where they are
//! written to.

mod compare;
mod direct_io;
mod known;
mod round;
mod running;
mod stop;
mod tracker;

pub use known::Known;
pub use stop::{PreCopy, Rule, Stopped};
pub use tracker::Tracker;
