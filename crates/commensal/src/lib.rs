//! Enter a running process, read all of it, and leave without harm.
//!
//! This crate is what other tools depend on. The states of a task are types:
//!
//! ```text
//! pid --seize--> Seized --infect--> Infected --daemonize--> Daemonized
//!                  |                  |    ^                    |
//!                release              |    +-------stop---------+
//!                                     +--cure--> Cured --resume | leave_stopped | kill
//! ```
//!
//! Each step takes the state by value and gives the next one; one that fails
//! gives the old state back ([`Failed`]). Dropping a state undoes all: the task
//! runs on as if nothing had happened. So it does, too, when this process is
//! killed at any moment.
//!
//! [`dump()`](dump::dump) does all of it to a whole tree, and writes images from
//! which CRIU's `criu restore` brings the tree back.
//!
//! The examples `syscall`, `descriptor` and `dump` show one use each.
#![forbid(unsafe_code)]

#[cfg(doctest)]
mod illegal_steps;

pub use commensal_cured::Cured;
pub use commensal_daemonized::Daemonized;
pub use commensal_dump as dump;
pub use commensal_images as images;
pub use commensal_infected::{Infected, PosixTimer, TaskInfo, ThreadInfo};
pub use commensal_seized::{Failed, Seized, Thread};
pub use commensal_sys::{Errno, Pid, Registers, RemoteAddr, RemoteRange, Tid};

/// Why a step of the chain failed.
pub mod error {
    pub use commensal_infected::Error as Infected;
    pub use commensal_seized::Error as Seized;
}
