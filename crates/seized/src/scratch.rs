//! Where the frames that bring a thread home are kept.
//!
//! The low end of the main thread's `[stack]` mapping is used by no ABI: the
//! stack grows down towards it, and everything below the red zone is dead. A
//! thread's own stack would be the wrong place: a goroutine or a small
//! sigaltstack has no room. What was there is put back afterwards.

use commensal_sys::{Pid, RemoteAddr, RemoteRange, process_vm};

use crate::Error;
use crate::maps::Maps;
use crate::room;

/// What must stay free behind, in bytes, where other threads may be on their way home when the main
/// thread is there already: the red zone of the ABI and room for a signal handler's frames.
pub(crate) const CLEARANCE: u64 = 16 * 1024;

/// What must stay free where there is no other thread: the red zone of the ABI (System V, AMD64
/// supplement, 3.2.2).
const RED_ZONE: u64 = 128;

/// What bytes of ours begin with: of a dumper that was killed they stay.
pub(crate) const MARK: &[u8] = b"commensal scratch";

/// Bytes of the target that we write to, with what was there before.
#[derive(Debug)]
pub(crate) struct Scratch {
    pid: Pid,
    /// Where the mark is.
    start: RemoteAddr,
    /// How far above the low end that is, in bytes.
    skip: u64,
    saved: Vec<u8>,
}

impl Scratch {
    /// Takes `len` bytes at the low end of the stack, `skip` bytes above its
    /// start.
    pub(crate) fn take(
        pid: Pid,
        maps: &Maps,
        main: MainThread,
        skip: u64,
        len: usize,
    ) -> Result<Self, Error> {
        let len = MARK_LEN + len;
        let (start, skip) =
            low_end(pid, maps, main, skip, len as u64).ok_or(Error::NoScratch(pid))?;
        let mut saved = vec![0; len];
        process_vm::read(pid, start, &mut saved)?;
        process_vm::write(pid, start, MARK)?;
        Ok(Self {
            pid,
            start,
            skip,
            saved,
        })
    }

    /// The first address that may be used.
    pub(crate) fn base(&self) -> RemoteAddr {
        RemoteAddr::new(self.start.get() + MARK_LEN as u64)
    }

    /// All of it, and the word behind: a stack pointer that popped the last.
    pub(crate) fn range(&self) -> RemoteRange {
        let start = self.start.get();
        RemoteRange::new(start, start + self.saved.len() as u64 + 8).expect("ends after its start")
    }

    /// How much of the stack's low end is taken up to here, in bytes.
    pub(crate) fn taken(&self) -> u64 {
        (self.skip + self.saved.len() as u64).next_multiple_of(64)
    }

    /// Writes `bytes` at `offset`.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Error> {
        debug_assert!(MARK_LEN + offset + bytes.len() <= self.saved.len());
        let at = RemoteAddr::new(self.base().get() + offset as u64);
        Ok(process_vm::write(self.pid, at, bytes)?)
    }

    /// Puts back what was there.
    pub(crate) fn restore(&self) -> Result<(), Error> {
        Ok(process_vm::write(self.pid, self.start, &self.saved)?)
    }
}

/// Keeps what follows aligned to 64 bytes.
const MARK_LEN: usize = 64;

/// A task's main thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MainThread {
    /// Its stack pointer; 0 when it has exited.
    pub(crate) rsp: u64,
    /// Whether the task has no other thread.
    pub(crate) alone: bool,
}

/// The lowest place at least `skip` bytes above the start of the `[stack]`
/// mapping where `len` bytes are free, and how far above it is.
fn low_end(
    pid: Pid,
    maps: &Maps,
    main: MainThread,
    skip: u64,
    len: u64,
) -> Option<(RemoteAddr, u64)> {
    let stack = maps
        .mappings
        .iter()
        .find(|m| m.is_stack && m.readable && m.writable)?;
    let range = stack.range;
    if range.contains(RemoteAddr::new(main.rsp)) {
        let start = range.start().checked_add(skip)?;
        let end = start.checked_add(len + if main.alone { RED_ZONE } else { CLEARANCE })?;
        return (end.get() <= main.rsp).then_some((start, skip));
    }
    let skip = room::find(pid, range, skip, len)?;
    range.start().checked_add(skip).map(|start| (start, skip))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program's own stack inside the frame of its parent, 11 KiB above the low end of the mapping.
    #[test]
    fn a_thread_that_is_alone_needs_no_room_for_others() {
        let pid = Pid::new(std::process::id() as i32).expect("a process id is positive");
        let maps = Maps::parse(b"7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]\n");
        let start = 0x7ffd_0000_0000;
        let place = |rsp, alone, len| {
            let found = low_end(pid, &maps, MainThread { rsp, alone }, 64, len);
            found.map(|(start, _)| start.get())
        };
        let low = start + (11 << 10);
        assert_eq!(place(low, true, 4096), Some(start + 64));
        assert_eq!(place(low, false, 4096), None);
        assert_eq!(place(start + (22 << 10), false, 4096), Some(start + 64));
        assert_eq!(place(start + 64 + 4096 + 127, true, 4096), None);
    }
}
