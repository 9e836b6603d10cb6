//! What the dumper and the parasite say to each other, as byte layouts.
//!
//! Both sides are built from the same sources, so the layouts need no
//! versions of each field, only the check that both are of one build:
//! [`PROTOCOL_VERSION`] in the answer to [`Command::Ping`].
//!
//! The shared mapping, in the target's addresses:
//!
//! ```text
//! base                     read + execute: the blob
//! base + text_len          read + write: the exchange area
//!   + 0                    reserved
//!   + AREA_OFFSET          arguments and replies of commands
//!   + STACK_OFFSET         the stack of the thread that runs the daemon
//! ```
//!
//! What the dumper reads from it is untrusted: the target could have written
//! there. Every type here is plain old data for which any bytes are a value.
#![no_std]
#![forbid(unsafe_code)]

mod calls;
mod command;
mod descriptors;
mod layout;
pub mod questions;
mod task;
mod thread;

pub use calls::{CALLS, Call};
pub use command::{Command, PROTOCOL_VERSION, Reply, Request};
pub use descriptors::{DESCRIPTORS, Descriptors};
pub use layout::{AREA_LEN, AREA_OFFSET, Area, EXCHANGE_LEN, STACK_LEN, STACK_OFFSET, Statuses};
pub use task::{
    Itimer, MAX_POSIX_TIMERS, NSIG, PosixTimer, PosixTimers, RLIM_NLIMITS, Rlimit, Sigaction,
    TaskInfo,
};
pub use thread::{Sigaltstack, ThreadInfo};
