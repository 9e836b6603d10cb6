//! What only a thread itself can say about itself.

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An alternate signal stack (`stack_t`, sigaltstack(2)).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct Sigaltstack {
    /// The stack's lowest address.
    pub sp: u64,
    /// `SS_DISABLE`, `SS_ONSTACK`, `SS_AUTODISARM`.
    pub flags: i32,
    /// Keeps the kernel's padding.
    pub reserved: u32,
    /// The stack's size in bytes.
    pub size: u64,
}

/// The answer to [`Command::Thread`](crate::Command::Thread).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct ThreadInfo {
    /// Its id as the dumper has it, which fills it in.
    pub tid: i32,
    /// 0, or the negated errno of the first call that failed.
    pub status: i32,
    /// PR_GET_TID_ADDRESS: what set_tid_address(2) or clone(2) set.
    pub tid_address: u64,
    /// sigaltstack(2). The parasite's own stack is elsewhere, so
    /// `SS_ONSTACK` is never set: see the saved stack pointer.
    pub altstack: Sigaltstack,
    /// PR_GET_PDEATHSIG.
    pub pdeath_sig: i32,
    /// PR_GET_SECUREBITS.
    pub securebits: u32,
}

const_assert_eq!(size_of::<Sigaltstack>(), 24);
const_assert_eq!(size_of::<ThreadInfo>(), 48);
