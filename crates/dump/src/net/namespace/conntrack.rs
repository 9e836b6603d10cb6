//! Connections that the packet filter of a network namespace remembers
//! (include/uapi/linux/netfilter/nfnetlink_conntrack.h).

use std::io;

use commensal_images::Image;
use commensal_sys::Errno;
use linux_raw_sys::netlink::NETLINK_NETFILTER;

use crate::net::request::{Requests, message};
use crate::{Error, Result};

const GET: u16 = 1;
/// The sequence number whose answers CRIU's restore waits for: it sends the
/// messages as they are.
const RESTORE_SEQUENCE: u32 = 24680;
/// `NFNL_SUBSYS_CTNETLINK` and `NFNL_SUBSYS_CTNETLINK_EXP`.
const SUBSYSTEMS: [u16; 2] = [1 << 8, 2 << 8];

/// Both tables, of connections and of those that are expected, as the messages
/// by which a restore makes them again.
///
/// # Errors
///
/// Where the kernel has the tables and does not give them.
pub fn save(id: u32) -> Result<Vec<(Image, Vec<u8>)>> {
    let images = [Image::NetnfCt(id), Image::NetnfExp(id)];
    let tables = images.into_iter().zip(SUBSYSTEMS);
    tables
        .filter_map(|(image, subsystem)| match table(subsystem) {
            Ok(messages) => Some(Ok((image, messages))),
            Err(error) if is_missing(&error) => None,
            Err(source) => Some(Err(Error::Netlink {
                request: "the tracked connections",
                source,
            })),
        })
        .collect()
}

/// A kernel without connection tracking.
fn is_missing(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT)
    )
}

fn table(subsystem: u16) -> io::Result<Vec<u8>> {
    let mut requests = Requests::open(NETLINK_NETFILTER)?;
    let mut messages = Vec::new();
    // `struct nfgenmsg` of any family.
    for entry in requests.dump(subsystem | GET, &[0; 4])? {
        // The kind 0 makes a new entry.
        messages.extend(message(subsystem, 0, RESTORE_SEQUENCE, &entry));
    }
    Ok(messages)
}
