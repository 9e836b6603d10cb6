//! A stopped task: all threads held by ptrace.
//!
//! [`Seized`] is the first state of the chain. It can read every thread's
//! registers and signal state, and run single system calls in a thread through
//! an [`Injection`]. Dropping it lets the task go as it was found.
//!
//! - `candidate`: what is looked at before that, while the task runs;
//! - `seize`: stopping a whole task, threads included that are born meanwhile;
//! - `asked`: stopping it in two steps;
//! - `caretaker`: who lives on when we die;
//! - `held`: the threads that are ours, and letting them go;
//! - `status`: what /proc says of a thread;
//! - `seccomp`, `bpf`: whether a thread's seccomp filters let it go home;
//! - `thread`: one held thread;
//! - `restart`: what an interrupted system call resumes as;
//! - `gadget`: code of the target's own that makes a system call;
//! - `sigframe`: the frame by which a thread goes home without us;
//! - `scratch`: where those frames are kept;
//! - `injection`: running system calls in a thread;
//! - `descriptor`: a descriptor that the task opens for us, and keeps not;
//! - `maps`: the mappings, as far as the above need them;
//! - `silence`: what there is to say while tasks stand still.
#![forbid(unsafe_code)]

mod asked;
mod bpf;
mod candidate;
mod caretaker;
mod descriptor;
mod error;
mod failed;
mod gadget;
mod held;
mod injection;
mod maps;
mod restart;
mod room;
mod scratch;
mod seccomp;
mod seize;
mod sigframe;
mod silence;
mod status;
mod thread;

pub use asked::Asked;
pub use candidate::Candidate;
pub use caretaker::caretaker;
pub use commensal_sys::ptrace::RseqConfiguration;
pub use commensal_sys::{Pid, Registers, Tid};
pub use error::Error;
pub use failed::Failed;
pub use injection::{Injection, Landed, LeaveSlot};
pub use maps::Maps;
pub use seize::{STOP_TIMEOUT, Seized};
pub use silence::{Keeping, Silence, later, unsaid};
pub use thread::Thread;
