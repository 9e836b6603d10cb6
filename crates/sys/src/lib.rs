//! Raw system calls for entering a process.
//!
//! The bottom layer: one function is one system call, every length the kernel
//! gives back is checked, and every error names the call and the task it was
//! made for. What rustix offers safely is used from there; this crate adds
//! what it does not have (ptrace, `process_vm_readv`, `PAGEMAP_SCAN`, …).
//!
//! This is the only host-side crate of the family with `unsafe` code: one
//! operation a block, each with the contract that makes it sound.

mod addr;
pub mod bpf;
mod buffer;
pub mod caretaker;
pub mod epoll;
mod error;
pub mod fcntl;
pub mod file_handle;
mod id;
pub mod kcmp;
pub mod namespace;
pub mod pagemap;
pub mod peek;
pub mod pidfd;
pub mod prctl;
pub mod process_vm;
pub mod ptrace;
mod raw;
mod regs;
pub mod robust_list;
pub mod sched;
pub mod seccomp;
mod shared;
pub mod signal;
pub mod sockio;
pub mod sockopt;
pub mod system_v;
pub mod task_iter;
pub mod thread_area;
pub mod tty;
pub mod tun;
pub mod uncover;
pub mod userfaultfd;
pub mod wait;
pub mod xstate;

pub use addr::{PAGE_SIZE, RemoteAddr, RemoteRange};
pub use buffer::{Arena, Buffer};
pub use error::{Error, Result};
pub use id::{Pid, Tid};
pub use regs::{NO_SYSCALL, Registers};
pub use rustix::io::Errno;
pub use shared::{OutOfBounds, SharedPages};
