//! What the kernel says of an interface (rtnetlink(7), RTM_GETLINK).

use std::io;

use linux_raw_sys::netlink::NETLINK_ROUTE;

use super::super::bridge;
use super::super::kind::Kind;
use super::{At, Link};
use crate::net::request::Requests;
use crate::net::sock_diag::{attributes, u16_at, u32_at};

// include/uapi/linux/rtnetlink.h, if_link.h and if_arp.h
const RTM_GETLINK: u16 = 18;
const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
pub(super) const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_GROUP: u16 = 27;
pub(super) const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_PROP_LIST: u16 = 52;
/// The length of `struct ifinfomsg`, in bytes.
pub(super) const HEADER: usize = 16;

/// All interfaces of our thread's namespace.
///
/// # Errors
///
/// Where the kernel does not answer.
pub fn read() -> io::Result<Vec<Link>> {
    let answers = Requests::open(NETLINK_ROUTE)?.dump(RTM_GETLINK, &[0; HEADER])?;
    answers.iter().map(|answer| parse(answer)).collect()
}

pub(super) fn parse(answer: &[u8]) -> io::Result<Link> {
    let link_type = u16_at(answer, 2)?;
    let mut link = Link {
        link_type,
        index: u32_at(answer, 4)?,
        flags: u32_at(answer, 8)?,
        mtu: 0,
        name: String::new(),
        address: None,
        other: None,
        other_at: At::Here,
        master: None,
        kind: Kind::without_info(link_type),
        queue: None,
        lost: Vec::new(),
    };
    for attribute in attributes(answer, HEADER) {
        let (kind, value) = attribute?;
        match kind {
            IFLA_IFNAME => {
                let name = value.strip_suffix(b"\0").unwrap_or(&value);
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            IFLA_MTU => link.mtu = u32_at(&value, 0)?,
            IFLA_TXQLEN => link.queue = Some(u32_at(&value, 0)?),
            IFLA_ADDRESS => link.address = Some(value),
            IFLA_LINK => link.other = Some(u32_at(&value, 0)?),
            IFLA_LINK_NETNSID => link.other_at = At::Id(u32_at(&value, 0)? as i32),
            IFLA_MASTER => link.master = Some(u32_at(&value, 0)?),
            IFLA_LINKINFO => {
                link.kind = Kind::parse(link_type, &value)?;
                if bridge::is_unusual_port(&value)? {
                    link.lost
                        .push("settings as a port of its bridge (ip link set type bridge_slave)");
                }
            }
            IFLA_IFALIAS => link.lost.push("an alias (ip link set alias)"),
            IFLA_GROUP if u32_at(&value, 0)? != 0 => {
                link.lost.push("a group (ip link set group)");
            }
            IFLA_PROP_LIST => link.lost.push("further names (ip link property)"),
            IFLA_XDP if has_program(&value)? => link.lost.push("an XDP program"),
            _ => {}
        }
    }
    Ok(link)
}

fn has_program(xdp: &[u8]) -> io::Result<bool> {
    for attribute in attributes(xdp, 0) {
        let (kind, value) = attribute?;
        if kind == IFLA_XDP_ATTACHED {
            return Ok(value.first().is_some_and(|mode| *mode != 0));
        }
    }
    Ok(false)
}
