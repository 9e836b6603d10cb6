//! What only the kernel's socket tables tell: the peers of unix sockets, the
//! shutdown state of UDP, the rings of packet sockets (sock_diag(7)).
//!
//! A table is read when the first socket of its kind is met, once for a dump:
//! the tree stands still by then, and nothing is asked that is not needed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;

use linux_raw_sys::netlink::NETLINK_SOCK_DIAG;

use super::request::{Requests, invalid};
use crate::{Error, Result};

mod inet;
mod netlink;
mod packet;
mod unix;

pub use netlink::NetlinkSocket;
pub use packet::{Membership, PacketSocket, Ring};
pub use unix::UnixSocket;

/// `SOCK_DIAG_BY_FAMILY` (include/uapi/linux/sock_diag.h).
const BY_FAMILY: u16 = 20;

/// The kernel's socket tables, as far as they were needed.
#[derive(Default)]
pub struct Tables {
    unix: Option<HashMap<u32, UnixSocket>>,
    packet: Option<HashMap<u32, PacketSocket>>,
    netlink: Option<HashMap<u32, NetlinkSocket>>,
    /// Shutdown bits by family, protocol and inode.
    shutdown: HashMap<(u8, u8), HashMap<u32, u8>>,
}

impl Tables {
    /// All unix sockets of the network namespace by inode.
    pub fn unix(&mut self) -> Result<&HashMap<u32, UnixSocket>> {
        load(&mut self.unix, "the table of unix sockets", unix::read)
    }

    /// All packet sockets of the network namespace by inode.
    pub fn packet(&mut self) -> Result<&HashMap<u32, PacketSocket>> {
        load(
            &mut self.packet,
            "the table of packet sockets",
            packet::read,
        )
    }

    /// All netlink sockets of the network namespace by inode.
    pub fn netlink(&mut self) -> Result<&HashMap<u32, NetlinkSocket>> {
        load(
            &mut self.netlink,
            "the table of netlink sockets",
            netlink::read,
        )
    }

    /// The directions in which a UDP socket was shut down: 1 for receiving, 2
    /// for sending. Sockets that are not bound are in no table, and cannot be
    /// shut down.
    pub fn udp_shutdown(&mut self, family: u8, protocol: u8, inode: u32) -> Result<u8> {
        let table = match self.shutdown.entry((family, protocol)) {
            Entry::Occupied(table) => table.into_mut(),
            Entry::Vacant(slot) => slot.insert(
                inet::read_shutdown(family, protocol)
                    .map_err(|source| failed("the table of UDP sockets", source))?,
            ),
        };
        Ok(table.get(&inode).copied().unwrap_or(0))
    }
}

fn load<'a, T>(
    slot: &'a mut Option<T>,
    request: &'static str,
    read: impl FnOnce() -> io::Result<T>,
) -> Result<&'a T> {
    match slot {
        Some(table) => Ok(table),
        None => Ok(slot.insert(read().map_err(|source| failed(request, source))?)),
    }
}

fn failed(request: &'static str, source: io::Error) -> Error {
    Error::Netlink { request, source }
}

/// The payload of each answer to a sock_diag dump.
fn dump(payload: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    Requests::open(NETLINK_SOCK_DIAG)?.dump(BY_FAMILY, payload)
}

/// The first four bytes at `at`, in the machine's order.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map(|bytes| u32::from_ne_bytes(*bytes))
        .ok_or_else(|| invalid("an answer that is too short"))
}

/// The first two bytes at `at`, in the machine's order.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map(|bytes| u16::from_ne_bytes(*bytes))
        .ok_or_else(|| invalid("an answer that is too short"))
}

/// Kind and value of each attribute behind a fixed header of `header` bytes.
pub(super) fn attributes(
    bytes: &[u8],
    header: usize,
) -> impl Iterator<Item = io::Result<(u16, Vec<u8>)>> {
    let rest = bytes.get(header..).unwrap_or_default();
    netlink_packet_core::NlasIterator::new(rest).map(|attribute| {
        let attribute = attribute.map_err(invalid)?;
        Ok((attribute.kind(), attribute.value().to_vec()))
    })
}
