//! Choices of a dump that do not go together, and one that follows from another.

use commensal_sys::Pid;

use crate::net::namespace::Entered;
use crate::{Error, NetworkLock, Options, Place, Refusal, Result};

/// The packet filter of a network namespace is saved as rules of nftables, whoever made them, and
/// with it the lock that the restore takes away: that one has to be of nftables, too.
pub fn lock_of_own_network(options: &Options, network: Option<&Entered>) -> Options {
    let mut options = options.clone();
    if network.is_some() && options.network_lock() == NetworkLock::Iptables {
        options.network_lock = Some(NetworkLock::Nftables);
    }
    options
}

/// Of a stream: with pre-copy the images would need those of the rounds, and a stream is one set.
///
/// # Errors
///
/// The refusal.
pub fn refuse_stream(root: Pid, options: &Options) -> Result<()> {
    if options.lazy_pages.is_some() {
        let reason = "the stream ends only when the memory was fetched";
        return Err(lazy_beside(root, "a stream for the images", reason));
    }
    if options.pre_copy.is_none() {
        return Ok(());
    }
    Err(Refusal {
        what: "a task to be pre-copied into a stream".into(),
        place: Place::Task { pid: root },
        reason: "each round is a directory of its own, and a stream has none".into(),
        remedy: "dump into a directory, or stream without pre-copy".into(),
    }
    .into())
}

/// What is fetched later is of one image set, whose other pages are all in it.
///
/// # Errors
///
/// The refusal.
pub fn refuse_lazy(root: Pid, options: &Options) -> Result<()> {
    let builds_on = options.pre_copy.is_some() || options.prev_images.is_some();
    let (what, reason) = match () {
        () if options.lazy_pages.is_none() => return Ok(()),
        () if builds_on => (
            "earlier images to build on",
            "the images would be of three sources",
        ),
        () if options.page_server.is_some() => (
            "a page server to send the others to",
            "both would be at the same address",
        ),
        () => return Ok(()),
    };
    Err(lazy_beside(root, what, reason))
}

fn lazy_beside(root: Pid, what: &str, reason: &str) -> Error {
    Error::from(Refusal {
        what: format!("a task whose memory is to be fetched later (--lazy-pages), with {what}"),
        place: Place::Task { pid: root },
        reason: reason.into(),
        remedy: "do one of both".into(),
    })
}
