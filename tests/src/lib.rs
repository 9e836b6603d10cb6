//! The project's tests, as a user would use it.
//!
//! - [`victim`]: what the victims in `src/bin` share. A victim checks its own state
//!   in every round and writes `round N` or `fault WHAT` to its log.
//! - [`harness`]: starts victims, dumps them, looks at them from outside.
//! - [`sweep`]: kills the dumper at its system calls and looks at the target.
//! - [`judge`]: CRIU from Debian, which restores and decodes what we wrote.
#![deny(unsafe_code)]

pub mod harness;
pub mod judge;
pub mod skip;
pub mod sweep;
pub mod victim;
