//! Restartable sequences of a thread (rseq(2)).

use core::mem::size_of;

use linux_raw_sys::ptrace as uapi;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ptrace;
use crate::{Error, RemoteAddr, Result, Tid};

/// A restartable-sequences registration (`struct ptrace_rseq_configuration`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct RseqConfiguration {
    /// Where the thread's `struct rseq` is.
    pub pointer: u64,
    /// Its size in bytes, as registered.
    pub size: u32,
    /// The signature in front of every abort handler.
    pub signature: u32,
    /// Flags; 0 today.
    pub flags: u32,
    /// Padding.
    pub pad: u32,
}

/// `PTRACE_GET_RSEQ_CONFIGURATION`; `None` where the thread registered none.
pub fn rseq_configuration(tid: Tid) -> Result<Option<RseqConfiguration>> {
    let mut config = RseqConfiguration::default();
    let size = size_of::<RseqConfiguration>() as u64;
    let data = &raw mut config as u64;
    // SAFETY: the request writes at most `addr` bytes, the size of `config`.
    let done = unsafe { ptrace(uapi::PTRACE_GET_RSEQ_CONFIGURATION, tid, size, data) };
    match done {
        Ok(_) => Ok((config.pointer != 0).then_some(config)),
        Err(errno) => Err(Error::new(
            "PTRACE_GET_RSEQ_CONFIGURATION",
            tid.get(),
            errno,
        )),
    }
}

/// An rseq critical section (`struct rseq_cs`, linux/rseq.h).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct RseqCs {
    /// 0 today.
    pub version: u32,
    /// `RSEQ_CS_FLAG_*`.
    pub flags: u32,
    /// The section's first instruction.
    pub start_ip: u64,
    /// Its length in bytes.
    pub post_commit_offset: u64,
    /// Where a thread goes that was disturbed in it.
    pub abort_ip: u64,
}

impl RseqCs {
    /// Whether `ip` is inside the section.
    pub fn contains(&self, ip: RemoteAddr) -> bool {
        ip.get().wrapping_sub(self.start_ip) < self.post_commit_offset
    }
}
