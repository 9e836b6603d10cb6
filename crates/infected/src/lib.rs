//! A stopped task with the parasite mapped: trap-mode commands.
//!
//! [`Infected`] comes from a seized task. The parasite sits in one thread of
//! it, stopped; each command lets it run, serve one request and stops it
//! again. Dropping an `Infected` cures the task and lets it go.
//!
//! - `mapping`: pages in the target, shared with us where that may be;
//! - `infect`: the way in;
//! - `channel`: requests and replies over the socketpair;
//! - `reply`: which reply is one to the question;
//! - `command`: what can be asked, and `survey`: all of it in one question;
//! - `area`: arguments and replies in the pages;
//! - `serving`: the parasite at work by itself, for `commensal-daemonized`;
//! - `questions`: the parasite's questions without it, one call at a time;
//! - `thread`: what every other thread is asked, from its own place;
//! - `cure`: the way out.
#![forbid(unsafe_code)]

mod area;
mod channel;
mod command;
mod cure;
#[cfg(test)]
mod deaths;
mod error;
mod infect;
mod mapping;
mod questions;
mod reply;
mod serving;
mod survey;
mod thread;

pub use command::Descriptor;
pub use commensal_abi::{PosixTimer, TaskInfo, ThreadInfo};
pub use commensal_cured::Cured;
pub use commensal_seized::{Failed, Pid, Seized, Tid};
pub use error::Error;
pub use infect::Infected;
pub use questions::{Told, ask_alone};
#[doc(hidden)]
pub use serving::Serving;
pub use survey::{Answers, Questions};

/// Takes the bytes for a reply of the parasite, for the fuzz targets.
#[doc(hidden)]
pub fn fuzz_reply(bytes: &[u8]) {
    reply::fuzz(bytes);
}
