//! Which descriptors of a task are open, and which of them execve(2) closes.

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Words of 64 bits in each bitmap.
const WORDS: usize = 512;

/// How many numbers one request covers.
pub const DESCRIPTORS: usize = WORDS * 64;

/// Question and answer of [`Command::Descriptors`](crate::Command::Descriptors): bit `n` stands
/// for the number `first + n`. The parasite's own socket is left out.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Descriptors {
    /// The first number asked for.
    pub first: u32,
    /// How many are asked for, at most [`DESCRIPTORS`].
    pub count: u32,
    /// The numbers that are open.
    pub open: [u64; WORDS],
    /// Those of them that are close-on-exec.
    pub cloexec: [u64; WORDS],
}

const_assert_eq!(size_of::<Descriptors>(), 8 + 2 * WORDS * 8);

impl Default for Descriptors {
    fn default() -> Self {
        Self::new_zeroed()
    }
}
