//! Network namespaces of the tree's own (network_namespaces(7)).
//!
//! The whole dump then runs in a thread inside of its root's: the kernel's
//! tables of sockets, its settings and its packet filter are those of the
//! thread that asks, and so are those of the programs it starts. Of other
//! namespaces that tasks of the tree live in, threads ask that go into each.
//! Our other threads stay where they are.
//!
//! - `networks`: all of them, and who goes into which; `network` writes one;
//! - `links`: its interfaces, of a `kind` each, with what `tun` and `bridge` have of their own;
//! - `settings`: its sysctls that the images have a place for, `sysctls` the others;
//! - `nsids`: by which ids they know each other;
//! - `unsaved`: what else they have no place for;
//! - `fresh`: a new namespace, to compare with;
//! - `programs`: what iproute2, iptables and nftables save themselves, `saved` its form,
//!   `filters` what of it they could not read again;
//! - `conntrack`: connections that its packet filter remembers.

mod bridge;
mod conntrack;
mod filters;
mod fresh;
mod kind;
mod links;
mod network;
mod networks;
mod nsids;
mod programs;
mod saved;
mod settings;
mod sysctls;
mod tun;
mod unsaved;

use std::fs::File;
use std::os::fd::AsFd;

use commensal_seized::{Silence, later};
use commensal_sys::Pid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::tree::namespaces::{has_own, own_pid};
use crate::{Error, Options, Place, Refusal, Result, proc};

pub use networks::Networks;

/// The network namespace of the tree's root, another than ours, which the calling thread is in.
pub struct Entered {
    root: Pid,
    inside: File,
    outside: File,
}

/// Calls `work` inside of the network namespace of `root`, and tells it so; where that is our own,
/// it is called as it is.
///
/// # Errors
///
/// Those of `work`; a refusal where we may not enter the namespace.
pub fn inside<T: Send>(
    root: Pid,
    work: impl FnOnce(Option<&Entered>) -> Result<T> + Send,
) -> Result<T> {
    // What is wrong with the task is found, and said, by others.
    if !matches!(has_own(root, "net"), Ok(true)) {
        return work(None);
    }
    let entered = Entered {
        root,
        inside: open(root)?,
        outside: open(own_pid())?,
    };
    in_thread(|| {
        enter(&entered.inside).map_err(|errno| refuse_to_enter(root, errno))?;
        work(Some(&entered))
    })
}

impl Entered {
    /// Calls `work` back in our own namespace: what is the caller's business.
    ///
    /// # Errors
    ///
    /// Where this thread cannot change its namespace.
    pub fn outside<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        let failed = |errno| Error::Sys(commensal_sys::Error::new("setns", self.root.get(), errno));
        enter(&self.outside).map_err(failed)?;
        let result = work();
        enter(&self.inside).map_err(failed)?;
        Ok(result)
    }
}

/// Calls `work` in a thread of its own, and waits for it.
fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let silence = Silence::of_thread();
    let work = || {
        let _silence = silence.keep();
        work()
    };
    let result = std::thread::scope(|scope| scope.spawn(work).join());
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn refuse_to_enter(task: Pid, errno: commensal_sys::Errno) -> Refusal {
    refusal(
        task,
        "in a network namespace of its own",
        &format!("it cannot be entered: {errno}"),
        "dump it as root, or from inside its network namespace (nsenter --net)",
    )
}

/// What the images lack.
#[derive(Clone, Debug)]
struct Loss {
    /// What the namespace is with: "permanent neighbours".
    what: String,
    reason: &'static str,
    remedy: &'static str,
}

impl Loss {
    /// The refusal of it, or a warning where the caller accepts it.
    fn unless_accepted(self, root: Pid, options: &Options) -> Option<Refusal> {
        let what = format!("in a network namespace with {}", self.what);
        if options.accept_loss {
            later(move || tracing::warn!("task {root} is {what}: {}", self.reason));
            return None;
        }
        Some(refusal(root, &what, self.reason, self.remedy))
    }
}

fn all_of(refusals: Vec<Refusal>) -> Result<()> {
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(Error::Refused(refusals)),
    }
}

fn open(pid: Pid) -> Result<File> {
    let path = proc::path(pid, "ns/net");
    File::open(&path).map_err(|source| proc::error(pid, path, source))
}

fn enter(namespace: &File) -> Result<(), commensal_sys::Errno> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
}

fn refusal(root: Pid, what: &str, reason: &str, remedy: &str) -> Refusal {
    Refusal {
        what: what.into(),
        place: Place::Task { pid: root },
        reason: reason.into(),
        remedy: remedy.into(),
    }
}
