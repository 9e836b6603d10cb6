//! Pages of the target for the blob and the exchange area.
//!
//! The first choice is an anonymous shared mapping, made by one call in the
//! target and opened by us through `/proc/PID/map_files`: no descriptor ever
//! appears in the target, and it works where memfds are forbidden. Without the
//! capability for map_files (CAP_CHECKPOINT_RESTORE) it is a private mapping,
//! which is written to and read with ptrace(2) and process_vm_readv(2): slower,
//! and again without a descriptor, whose number another thread could come to
//! use for something else.

use std::os::fd::OwnedFd;

use commensal_abi::EXCHANGE_LEN;
use commensal_blob::{BLOB, TEXT_LEN};
use commensal_seized::{Injection, LeaveSlot, Pid, Seized};
use commensal_sys::{Errno, RemoteAddr, SharedPages, process_vm, ptrace};
use rustix::fs::{Mode, OFlags, open};

use crate::Error;

const MMAP: u32 = 9;
const MUNMAP: u32 = 11;

/// `PROT_READ | PROT_EXEC`: never writable and executable at once.
const PROT_RX: u64 = 5;
/// `MAP_ANONYMOUS | MAP_FIXED_NOREPLACE`, and `MAP_SHARED` or `MAP_PRIVATE`.
const MAP_FLAGS: u64 = 0x10_0020;
const MAP_SHARED: u64 = 1;
const MAP_PRIVATE: u64 = 2;
const NO_FD: u64 = u64::MAX;

/// The length of the whole mapping, in bytes.
pub(crate) const MAPPING_LEN: usize = TEXT_LEN + EXCHANGE_LEN;

/// The parasite's pages in the target.
#[derive(Debug)]
pub(crate) struct Mapping {
    pid: Pid,
    pub(crate) base: RemoteAddr,
    /// Our view of them, where they are shared.
    shared: Option<SharedPages>,
}

impl Mapping {
    /// Maps the pages at a free place and copies the blob into them. From the
    /// first call on, the thread's way home unmaps them.
    pub(crate) fn create(task: &Seized, injection: &mut Injection) -> Result<Self, Error> {
        let pid = task.pid();
        let len = MAPPING_LEN as u64;
        let base = task.maps()?.hole(len).ok_or(Error::NoRoom(pid))?;
        injection.set_detour(MUNMAP, [base, len, 0, 0, 0, 0])?;
        injection.leave_through(LeaveSlot::Unmap);
        map(injection, base, MAP_SHARED)?;
        let shared = open_shared(pid, base)?;
        let mapping = Self {
            pid,
            base: RemoteAddr::new(base),
            shared,
        };
        match &mapping.shared {
            Some(pages) => pages.write(0, BLOB).expect("the mapping holds the blob"),
            None => {
                injection.call("munmap", MUNMAP, [base, len, 0, 0, 0, 0])?;
                map(injection, base, MAP_PRIVATE)?;
                mapping.poke_blob(injection)?;
            }
        }
        Ok(mapping)
    }

    /// Whether we have a view of our own of the pages.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Copies bytes out of the pages at `offset`.
    pub(crate) fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), Error> {
        match &self.shared {
            Some(pages) => pages.read(offset, out).expect("inside the mapping"),
            None => process_vm::read(self.pid, self.at(offset), out)?,
        }
        Ok(())
    }

    /// Copies bytes into the exchange area, `offset` from the mapping's start.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Error> {
        match &self.shared {
            Some(pages) => pages.write(offset, bytes).expect("inside the mapping"),
            None => process_vm::write(self.pid, self.at(offset), bytes)?,
        }
        Ok(())
    }

    /// The address of an offset.
    pub(crate) fn at(&self, offset: usize) -> RemoteAddr {
        RemoteAddr::new(self.base.get() + offset as u64)
    }

    /// Only ptrace(2) writes to pages that are mapped for execution.
    fn poke_blob(&self, injection: &Injection) -> Result<(), Error> {
        for (index, chunk) in BLOB.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let at = self.at(index * 8);
            ptrace::poke(injection.tid(), at, u64::from_le_bytes(word))?;
        }
        Ok(())
    }
}

/// Maps the pages in the target. Where somebody took the place meanwhile (a
/// process that shares the memory and is not held), it is theirs to keep.
fn map(injection: &mut Injection, base: u64, kind: u64) -> Result<(), Error> {
    let args = [
        base,
        MAPPING_LEN as u64,
        PROT_RX,
        MAP_FLAGS | kind,
        NO_FD,
        0,
    ];
    let mapped = injection.call("mmap", MMAP, args);
    if let Err(commensal_seized::Error::Remote {
        errno: Errno::EXIST,
        ..
    }) = mapped
    {
        injection.leave_through(LeaveSlot::Home);
    }
    mapped?;
    Ok(())
}

/// Our view of a shared mapping; `None` where we may not open it.
fn open_shared(pid: Pid, base: u64) -> Result<Option<SharedPages>, Error> {
    let end = base + MAPPING_LEN as u64;
    let path = format!("/proc/{pid}/map_files/{base:x}-{end:x}");
    let failed = |call, errno| commensal_sys::Error::new(call, pid.get(), errno);
    let file: OwnedFd = match open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::PERM | Errno::ACCESS) => return Ok(None),
        Err(errno) => return Err(failed("open of map_files", errno).into()),
    };
    let pages = SharedPages::map(&file, MAPPING_LEN);
    Ok(Some(pages.map_err(|errno| failed("mmap", errno))?))
}
