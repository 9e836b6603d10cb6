//! Bridges: whose settings are those that a restore gives them.

use std::collections::BTreeMap;
use std::io;

use linux_raw_sys::netlink::NETLINK_ROUTE;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};

use super::kind::Kind;
use super::{fresh, links};
use crate::Result;
use crate::net::request::{Requests, attribute, invalid};
use crate::net::sock_diag::attributes;

// include/uapi/linux/rtnetlink.h and if_link.h
const RTM_NEWLINK: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;

/// What a bridge does rather than what it is set to (`IFLA_BR_*`): the spanning tree's ids, root,
/// cost, change of topology and timers; who asks for multicast groups; how many addresses it has
/// learned.
const STATE: [u16; 12] = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 47, 48];

/// The settings of a bridge, by their numbers (`IFLA_BR_*`).
#[derive(Debug, PartialEq, Eq)]
pub struct Bridge(BTreeMap<u16, Vec<u8>>);

impl Bridge {
    /// Reads the attributes of `IFLA_INFO_DATA`.
    pub fn parse(data: &[u8]) -> io::Result<Self> {
        let all = attributes(data, 0);
        let settings = all.filter(|one| !matches!(one, Ok((kind, _)) if STATE.contains(kind)));
        Ok(Self(settings.collect::<io::Result<_>>()?))
    }

    /// Those of a new one.
    ///
    /// # Errors
    ///
    /// Where there cannot be one.
    pub fn usual() -> Result<Self> {
        fresh::inside(|| {
            let mut requests = Requests::open(NETLINK_ROUTE)?;
            let kind = attribute(IFLA_INFO_KIND, b"bridge");
            // `struct ifinfomsg` of no interface in particular.
            let payload = [vec![0; 16], attribute(IFLA_LINKINFO, &kind)].concat();
            let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
            let request = requests.message(RTM_NEWLINK, flags, &payload);
            requests.send_acknowledged(&request)?;
            let mut bridges = links::read()?
                .into_iter()
                .filter_map(|link| match link.kind {
                    Kind::Bridge(bridge) => Some(bridge),
                    _ => None,
                });
            bridges
                .next_back()
                .ok_or_else(|| invalid("a bridge that is not there"))
        })
    }
}

// include/uapi/linux/if_link.h
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;

/// Switches of a bridge's port (`IFLA_BRPORT_*`) as they are at first (br_add_if,
/// net/bridge/br_if.c): hairpin mode, guards, learning, flooding, proxies, isolation, locks.
const PORT: [(u16, u8); 18] = [
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 1),
    (9, 1),
    (10, 0),
    (12, 0),
    (25, 1),
    (27, 1),
    (28, 0),
    (29, 0),
    (30, 1),
    (32, 0),
    (33, 0),
    (39, 0),
    (40, 0),
    (43, 0),
];

/// Whether an interface with this `IFLA_LINKINFO` is a bridge's port that behaves otherwise than a
/// new one.
///
/// # Errors
///
/// Where it cannot be read.
pub fn is_unusual_port(info: &[u8]) -> io::Result<bool> {
    let (mut kind, mut data) = (Vec::new(), Vec::new());
    for attribute in attributes(info, 0) {
        match attribute? {
            (IFLA_INFO_SLAVE_KIND, value) => kind = value,
            (IFLA_INFO_SLAVE_DATA, value) => data = value,
            _ => {}
        }
    }
    if kind.strip_suffix(b"\0").unwrap_or(&kind) != b"bridge" {
        return Ok(false);
    }
    for attribute in attributes(&data, 0) {
        let (number, value) = attribute?;
        let usual = PORT.iter().find(|(switch, _)| *switch == number);
        if usual.is_some_and(|(_, usual)| value != [*usual]) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_bridge_is_no_setting() {
        let settings = [attribute(1, &[1, 0, 0, 0]), attribute(7, &[1])];
        let state = [attribute(10, &[8; 8]), attribute(19, &[9; 8])];
        let all = [settings.concat(), state.concat()].concat();
        let same = Bridge::parse(&settings.concat()).unwrap();
        assert_eq!(Bridge::parse(&all).unwrap(), same);
        assert_ne!(same, Bridge::parse(&attribute(7, &[0])).unwrap());
    }

    #[test]
    fn a_port_is_told_by_what_it_does() {
        let port = |kind: &[u8], switches: &[(u16, u8)]| {
            let switches = switches
                .iter()
                .map(|(number, value)| attribute(*number, &[*value]));
            let data = attribute(IFLA_INFO_SLAVE_DATA, &switches.collect::<Vec<_>>().concat());
            let info = [attribute(IFLA_INFO_SLAVE_KIND, kind), data].concat();
            is_unusual_port(&info).unwrap()
        };
        assert!(!port(b"bridge\0", &PORT));
        assert!(port(b"bridge\0", &[(8, 1), (4, 1)]));
        assert!(port(b"bridge\0", &[(9, 0)]));
        // A state, and another kind of port.
        assert!(!port(b"bridge\0", &[(1, 3)]));
        assert!(!port(b"bond\0", &[(4, 1)]));
    }
}
