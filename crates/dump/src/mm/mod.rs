//! Mappings and the pages behind them, read from outside of the task.
//!
//! What the orchestrator of a dump calls, in order:
//!
//! 0. With pre-copy, the rounds of [`precopy`]: their [`Tracker`] is given to
//!    the steps that find pages.
//! 1. Before the freeze, [`Mappings::read`]: what every mapping is, with all
//!    that cannot be dumped refused by name, and the files behind held open in
//!    [`MappedFileCache`] (one for each mount namespace of the tree). Then
//!    [`PageWriter::reserve`], for room in the images, and [`PageWriter::make_room`], in memory.
//! 2. Frozen, [`Mappings::refresh`]: reads `maps` and keeps what is known of
//!    mappings that did not change. (It is not called where the kernel's count
//!    of changes and the names of mapped files say that none did.) The flags of madvise(2) and mlock(2) can
//!    change without a trace in `maps`; `smaps` has them but takes 14 ms for
//!    1 GiB. So [`smaps`](crate::proc::smaps::smaps) is read frozen, too, on
//!    another thread while pages are copied, and given to
//!    [`Mappings::update_flags`].
//! 3. [`PageWriter::task`]: the private pages. Any thread may call it, for
//!    several tasks at once. It touches no page that is not there: nothing is
//!    faulted in, memory under a userfaultfd never blocks us, and what is
//!    shared since a fork(2) stays shared (`memory`). Once a [`StackCopy`] was
//!    taken, and `smaps` read, the task may be entered meanwhile
//!    ([`PageWriter::task_beside`]).
//! 4. [`Mappings::to_entries`]: the `VmaEntry`s, with the guard pages that the
//!    step before found. The files behind become file entries through
//!    [`FileEntries`], which `files` implements.
//! 5. [`mm_entry()`]: the whole `mm-PID.img`.
//! 6. [`SharedMemory`] gives each inode of shared memory (memfd_create(2),
//!    shared anonymous memory) its `shmid` when its `MemfdInodeEntry` is made;
//!    at the end [`PageWriter::shared`] writes each one's pages once.

mod backing;
mod classify;
mod copy;
mod entries;
mod held;
mod kernel_mounts;
mod lazy;
mod mapping;
mod mappings;
mod memory;
mod mm_entry;
mod neighbours;
mod page_server;
mod pagemap;
pub mod precopy;
mod private;
mod reserve;
mod scanner;
mod shared;
mod stack;
mod system_v;
mod vdso_mark;

pub use backing::{MappedFile, MappedFileCache};
pub use classify::{Allow, Kind};
pub use copy::{Buffers, workers};
pub use entries::FileEntries;
pub use kernel_mounts::{InternalMount, internal_mount};
pub use lazy::{LazyPages, LazyServer};
pub use mapping::Mapping;
pub use mappings::Mappings;
#[cfg(test)]
pub use mm_entry::read_auxiliary_vector;
pub use mm_entry::{FromInside, mm_entry};
pub use page_server::PageServer;
pub use pagemap::{PageStats, PageWriter};
pub use precopy::Tracker;
pub use private::{TaskPages, bytes_of};
pub use reserve::Room;
pub use shared::SharedMemory;
pub use stack::StackCopy;
