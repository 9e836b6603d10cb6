//! Where things are in the exchange area, in bytes from its start.

use static_assertions::const_assert;

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

const_assert!(size_of::<TaskInfo>() <= AREA_LEN);
const_assert!(size_of::<PosixTimers>() <= AREA_LEN);
const_assert!(size_of::<Descriptors>() <= AREA_LEN);
const_assert!(size_of::<ThreadInfo>() <= AREA_LEN);
const_assert!(EXCHANGE_LEN.is_multiple_of(4096));
