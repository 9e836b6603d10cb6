//! The table of netlink sockets (include/uapi/linux/netlink_diag.h).

use std::collections::HashMap;
use std::io;

use linux_raw_sys::net::AF_NETLINK;

use super::{attributes, dump, u32_at};
use crate::net::request::invalid;

/// `NDIAG_PROTO_ALL`.
const ALL_PROTOCOLS: u8 = 255;
/// `NDIAG_SHOW_GROUPS`.
const SHOW_GROUPS: u32 = 2;
/// The length of `struct netlink_diag_msg`.
const HEADER: usize = 28;

const ATTR_GROUPS: u16 = 1;
const ATTR_RX_RING: u16 = 2;
const ATTR_TX_RING: u16 = 3;

/// A bound or connected netlink socket (netlink(7)).
#[derive(Clone, Debug, Default)]
pub struct NetlinkSocket {
    /// The netlink protocol (`NETLINK_ROUTE`, …).
    pub protocol: u8,
    /// 0: not connected, 1: connected.
    pub state: u8,
    /// Its own port, 0 where it is not bound.
    pub port: u32,
    /// The port it is connected to.
    pub peer_port: u32,
    /// The group it is connected to.
    pub peer_group: u32,
    /// The groups it has joined, 32 to a word.
    pub groups: Vec<u32>,
    /// Whether it has mapped rings.
    pub has_ring: bool,
}

/// Reads the table.
pub(super) fn read() -> io::Result<HashMap<u32, NetlinkSocket>> {
    let mut request = [0; 20];
    request[0] = AF_NETLINK as u8;
    request[1] = ALL_PROTOCOLS;
    request[8..12].copy_from_slice(&SHOW_GROUPS.to_ne_bytes());
    dump(&request)?.iter().map(|answer| parse(answer)).collect()
}

fn parse(answer: &[u8]) -> io::Result<(u32, NetlinkSocket)> {
    let &[_family, _kind, protocol, state, ..] = answer else {
        return Err(invalid("an empty answer"));
    };
    let mut socket = NetlinkSocket {
        protocol,
        state,
        port: u32_at(answer, 4)?,
        peer_port: u32_at(answer, 8)?,
        peer_group: u32_at(answer, 12)?,
        ..NetlinkSocket::default()
    };
    for attribute in attributes(answer, HEADER) {
        let (kind, value) = attribute?;
        match kind {
            ATTR_GROUPS => {
                let words = value.chunks_exact(4);
                socket.groups = words
                    .map(|word| u32_at(word, 0))
                    .collect::<io::Result<_>>()?;
            }
            ATTR_RX_RING | ATTR_TX_RING => socket.has_ring = true,
            _ => {}
        }
    }
    Ok((u32_at(answer, 16)?, socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::netlink::NETLINK_ROUTE;

    #[test]
    fn a_membership_is_a_bit_of_the_groups() {
        let mut socket = netlink_sys::Socket::new(NETLINK_ROUTE as isize).unwrap();
        let port = socket.bind_auto().unwrap().port_number();
        socket.add_membership(5).unwrap();
        let table = read().unwrap();
        let found = table
            .values()
            .find(|socket| socket.port == port && socket.protocol == 0);
        assert_eq!(found.unwrap().groups[0], 1 << 4);
    }
}
