//! One task's state.
//!
//! What is seen from outside is collected before anything runs in the task;
//! what only the task knows completes it.

pub mod creds;
pub mod leader;
pub mod misc;
pub mod registers;
pub mod sched;
pub mod seccomp;
pub mod security;
pub mod signals;
pub mod thread;
pub mod timers;
pub mod unsaved;
pub mod xsave;
