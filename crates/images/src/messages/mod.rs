//! The messages of CRIU's images, one module per subject.
//!
//! They follow CRIU 4.2's proto2 definitions: the struct is the message's name in camel case, a
//! field keeps its name and its tag. A required field is always encoded, even when it is zero; an
//! optional one is an `Option`; an enum field is the `i32` behind the enum of the same tag.
//!
//! Two things differ from what a protobuf compiler would give. Text that the target or the kernel
//! chooses (paths, task names, host names) is `Vec<u8>` and not `String`: on the wire it is the
//! same, and a path need not be UTF-8. Messages and fields of machines other than x86 are left out;
//! reading skips them.

mod cgroup;
mod core;
mod cpuinfo;
mod creds;
mod files;
mod inventory;
mod mm;
mod namespaces;
mod signals;
mod sockets;
mod stats;
mod task;
mod thread;
mod timers;
mod x86;

pub use self::cgroup::*;
pub use self::core::*;
pub use self::cpuinfo::*;
pub use self::creds::*;
pub use self::files::*;
pub use self::inventory::*;
pub use self::mm::*;
pub use self::namespaces::*;
pub use self::signals::*;
pub use self::sockets::*;
pub use self::stats::*;
pub use self::task::*;
pub use self::thread::*;
pub use self::timers::*;
pub use self::x86::*;
