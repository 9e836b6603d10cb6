//! What to collect from a task or a tree, in which order, into which image.
//!
//! - `tree`: which tasks there are, and stopping all of them;
//! - `task`: one task's state: credentials, signals, timers, registers;
//! - `cgroup`: the control groups that threads are in;
//! - `mm`: mappings and the pages behind them;
//! - `files`: descriptors, one module for a kind;
//! - `net`: descriptors that are sockets;
//! - `ipc`, `uts`, `timens`, `pidns`, `userns`, `mnt`: namespaces of the tree's own; `net` has that of the
//!   network;
//! - `proc`: the texts of proc(5), parsed.
#![forbid(unsafe_code)]

mod ahead;
mod beside;
mod cgroup;
mod choices;
mod collect;
mod cpu_info;
mod elsewhere;
mod end;
mod error;
mod external;
pub mod files;
#[doc(hidden)]
pub mod fuzzing;
mod hooks;
mod inside;
mod inventory;
mod ipc;
mod let_go;
mod links;
pub mod mm;
pub mod mnt;
pub mod net;
mod options;
mod output;
pub mod pidns;
mod pre_dump;
mod preflight;
mod prepare;
pub mod proc;
mod progress;
mod punctual;
mod records;
mod refusal;
mod rounds;
mod run;
mod soon;
mod stages;
mod stats;
mod still;
mod summary;
pub mod task;
mod timens;
pub mod tree;
pub mod userns;
mod uts;

pub use ahead::{Ahead, dump, dump_stream};
pub use cgroup::{CgroupSelection, ParsePropertiesError};
pub use cpu_info::cpu_info;
pub use error::{Error, Result};
pub use external::{External, ParseExternalError};
pub use hooks::{Cancel, HookError, Hooks};
pub use mm::precopy::PreCopy;
pub use mnt::MountChoices;
pub use options::{CgroupRoot, NetworkLock, Options, PageServerAddress, Then};
pub use pre_dump::pre_dump;
pub use refusal::{Place, Refusal};
pub use summary::Summary;
