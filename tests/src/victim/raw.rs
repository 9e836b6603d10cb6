//! The unsafe parts of the victims: memory mappings, fork, timers, ptrace.

use std::ffi::c_void;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr;
use std::slice;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// A private or shared mapping of whole words, readable and writable.
#[derive(Debug)]
pub struct Mapping {
    start: *mut c_void,
    words: usize,
}

// SAFETY: the memory belongs to this value alone within the process; other processes that
// share it are reached through `counters` only, which are atomic.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives shared references only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Anonymous memory, `MAP_PRIVATE` or `MAP_SHARED`.
    pub fn anonymous(words: usize, flags: MapFlags) -> Self {
        // SAFETY: a null address asks for a new mapping, which overlaps nothing.
        let start = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                words * 8,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        };
        Self {
            start: start.expect("anonymous memory"),
            words,
        }
    }

    /// A file from its start, `MAP_PRIVATE` or `MAP_SHARED`. The file must be that long, and
    /// nobody but the victim may change it.
    pub fn file(file: impl AsFd, words: usize, flags: MapFlags) -> Self {
        let file: BorrowedFd<'_> = file.as_fd();
        // SAFETY: a null address asks for a new mapping, which overlaps nothing.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                words * 8,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
                file,
                0,
            )
        };
        Self {
            start: start.expect("a file mapping"),
            words,
        }
    }

    /// The contents.
    pub fn words(&self) -> &[u64] {
        // SAFETY: the mapping is readable, aligned to pages, and `words` long while we live.
        unsafe { slice::from_raw_parts(self.start.cast(), self.words) }
    }

    /// The contents, to be changed.
    pub fn words_mut(&mut self) -> &mut [u64] {
        // SAFETY: as in `words`, writable, and borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.start.cast(), self.words) }
    }

    /// The contents as counters that several processes use at a time.
    pub fn counters(&self) -> &[AtomicU64] {
        // SAFETY: AtomicU64 has the layout of u64, and shared access to it is atomic.
        unsafe { slice::from_raw_parts(self.start.cast(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows it any more.
        let _ = unsafe { munmap(self.start, self.words * 8) };
    }
}

/// A page that faults on any access, for the map's sake. It stays until the process ends.
pub fn guard_page() {
    // SAFETY: a null address asks for a new mapping, which overlaps nothing.
    let page =
        unsafe { mmap_anonymous(ptr::null_mut(), 4096, ProtFlags::empty(), MapFlags::PRIVATE) };
    page.expect("a guard page");
}

/// fork(2) for victims with one thread: the child's pid, or `None` in the child.
pub fn fork() -> Option<i32> {
    // SAFETY: the callers have one thread, so the child may go on as the parent would.
    match unsafe { libc::fork() } {
        0 => None,
        pid if pid > 0 => Some(pid),
        _ => panic!("fork: {}", std::io::Error::last_os_error()),
    }
}

/// A POSIX timer that is not set, and would tell nobody. It stays until the process ends.
pub fn timer() {
    // SAFETY: a struct sigevent of zeros is one.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_NONE;
    let mut id = ptr::null_mut();
    // SAFETY: both pointers are of live variables of their types.
    let result = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut id) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Become the tracer of `pid` without stopping it (PTRACE_SEIZE).
pub fn seize(pid: i32) -> std::io::Result<()> {
    let nothing = ptr::null_mut::<c_void>();
    // SAFETY: PTRACE_SEIZE takes no pointers of ours.
    let result = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, nothing, nothing) };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}
