//! A new network namespace, as a restore makes one, to see what it begins with.

use std::io;

use commensal_sys::namespace::unshare_network;

use crate::{Error, Result};

/// Calls `look` in a new network namespace, which ends with it.
///
/// # Errors
///
/// Where there cannot be one, or `look` fails.
pub fn inside<T: Send>(look: impl FnOnce() -> io::Result<T> + Send) -> Result<T> {
    let work = || {
        unshare_network()?;
        look()
    };
    let result = std::thread::scope(|scope| scope.spawn(work).join());
    let result = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    result.map_err(|source| Error::Netlink {
        request: "what a new network namespace begins with",
        source,
    })
}
