//! What only the kernel's socket tables tell: the peers of unix sockets, the
//! shutdown state of UDP, the rings of packet sockets (sock_diag(7)).
//!
//! A table is read when the first socket of its kind is met, once for a dump and
//! in each network namespace of the tree: that stands still by then, and nothing
//! is asked that is not needed. No two sockets have the same inode, wherever they are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;

use linux_raw_sys::netlink::NETLINK_SOCK_DIAG;

use super::namespace::Networks;
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
    /// The network namespaces whose sockets are in them.
    pub networks: Networks,
    unix: Option<HashMap<u32, UnixSocket>>,
    packet: Option<HashMap<u32, PacketSocket>>,
    netlink: Option<HashMap<u32, NetlinkSocket>>,
    /// Shutdown bits by family, protocol and inode.
    shutdown: HashMap<(u8, u8), HashMap<u32, u8>>,
}

impl Tables {
    /// Those of the sockets in these network namespaces.
    pub fn of(networks: Networks) -> Self {
        Self {
            networks,
            ..Self::default()
        }
    }

    /// All unix sockets by inode.
    pub fn unix(&mut self) -> Result<&HashMap<u32, UnixSocket>> {
        let request = "the table of unix sockets";
        load(&mut self.unix, &self.networks, request, unix::read)
    }

    /// All packet sockets by inode.
    pub fn packet(&mut self) -> Result<&HashMap<u32, PacketSocket>> {
        let request = "the table of packet sockets";
        load(&mut self.packet, &self.networks, request, packet::read)
    }

    /// All netlink sockets by inode.
    pub fn netlink(&mut self) -> Result<&HashMap<u32, NetlinkSocket>> {
        let request = "the table of netlink sockets";
        load(&mut self.netlink, &self.networks, request, netlink::read)
    }

    /// The directions in which a UDP socket was shut down: 1 for receiving, 2
    /// for sending. Sockets that are not bound are in no table, and cannot be
    /// shut down.
    pub fn udp_shutdown(&mut self, family: u8, protocol: u8, inode: u32) -> Result<u8> {
        let table = match self.shutdown.entry((family, protocol)) {
            Entry::Occupied(table) => table.into_mut(),
            Entry::Vacant(slot) => {
                let read = || inet::read_shutdown(family, protocol);
                let table = of_all(&self.networks, "the table of UDP sockets", read)?;
                slot.insert(table)
            }
        };
        Ok(table.get(&inode).copied().unwrap_or(0))
    }
}

fn load<'a, T: Send>(
    slot: &'a mut Option<HashMap<u32, T>>,
    networks: &Networks,
    request: &'static str,
    read: fn() -> io::Result<HashMap<u32, T>>,
) -> Result<&'a HashMap<u32, T>> {
    match slot {
        Some(table) => Ok(table),
        None => Ok(slot.insert(of_all(networks, request, read)?)),
    }
}

/// The sockets of all network namespaces.
fn of_all<T: Send>(
    networks: &Networks,
    request: &'static str,
    read: impl Fn() -> io::Result<HashMap<u32, T>> + Sync,
) -> Result<HashMap<u32, T>> {
    let mut all = HashMap::new();
    for table in networks.each(read)? {
        let table = table.map_err(|source| failed(request, source))?;
        match all.is_empty() {
            true => all = table,
            false => all.extend(table),
        }
    }
    Ok(all)
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
