//! Where things are in the exchange area, in bytes from its start.

use static_assertions::{const_assert, const_assert_eq};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Descriptors, PosixTimers, TaskInfo, ThreadInfo};

/// Where the arguments and replies of commands begin.
pub const AREA_OFFSET: usize = 4096;

/// The room for arguments and replies.
pub const AREA_LEN: usize = 64 * 1024;

/// Where the parasite's stack begins; it grows down from its end.
pub const STACK_OFFSET: usize = AREA_OFFSET + AREA_LEN;

/// The size of the parasite's stack.
pub const STACK_LEN: usize = 16 * 1024;

/// The size of the whole exchange area.
pub const EXCHANGE_LEN: usize = STACK_OFFSET + STACK_LEN;

/// The arguments and replies of commands, each in its own place.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Area {
    /// Of [`Command::Survey`](crate::Command::Survey).
    pub statuses: Statuses,
    /// Of [`Command::Task`](crate::Command::Task).
    pub task: TaskInfo,
    /// Of [`Command::Thread`](crate::Command::Thread).
    pub thread: ThreadInfo,
    /// Of [`Command::Descriptors`](crate::Command::Descriptors).
    pub descriptors: Descriptors,
    /// Of [`Command::PosixTimers`](crate::Command::PosixTimers).
    pub posix_timers: PosixTimers,
}

/// How each part of a survey went: 0, or the negated errno of the first call
/// that failed.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Statuses {
    /// Of [`Command::Task`](crate::Command::Task).
    pub task: i32,
    /// Of [`Command::Thread`](crate::Command::Thread).
    pub thread: i32,
    /// Of [`Command::PosixTimers`](crate::Command::PosixTimers).
    pub posix_timers: i32,
    /// Of [`Command::Descriptors`](crate::Command::Descriptors).
    pub descriptors: i32,
}

const_assert_eq!(size_of::<Statuses>(), 16);
const_assert!(size_of::<Area>() <= AREA_LEN);
const_assert!(EXCHANGE_LEN.is_multiple_of(4096));
