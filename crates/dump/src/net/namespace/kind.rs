//! The kinds of interfaces (`IFLA_LINKINFO`, rtnetlink(7)).

use std::io;

use commensal_images::messages::{MacvlanLinkEntry, NdType, TunLinkEntry};

use super::bridge::Bridge;
use super::tun::Tun;
use crate::Result;
use crate::files::TunDevice;
use crate::net::sock_diag::{attributes, u16_at, u32_at};

// include/uapi/linux/if_link.h and if_arp.h
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_MACVLAN_FLAGS: u16 = 2;
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
/// Private, VEPA, bridge and passthru; the mode source has a list of addresses besides.
const MACVLAN_MODES: [u32; 4] = [1, 2, 4, 8];

/// What kind of interface it is, with what that kind has of its own.
pub enum Kind {
    /// The one that every namespace has.
    Loopback,
    /// tun or tap.
    Tun(Tun),
    /// One end of a pair.
    Veth,
    /// A bridge.
    Bridge(Bridge),
    /// Another address on an interface.
    Macvlan {
        /// `MACVLAN_MODE_*`.
        mode: u32,
        /// `MACVLAN_FLAG_*`.
        flags: Option<u32>,
    },
    /// What cannot be dumped, by the kernel's name; empty for a physical one.
    Other(String),
}

impl Kind {
    /// Of an interface without `IFLA_LINKINFO`.
    pub fn without_info(link_type: u16) -> Self {
        match link_type {
            ARPHRD_LOOPBACK => Self::Loopback,
            _ => Self::Other(String::new()),
        }
    }

    /// Reads `IFLA_LINKINFO`.
    pub fn parse(link_type: u16, info: &[u8]) -> io::Result<Self> {
        let (mut kind, mut data) = (Vec::new(), Vec::new());
        for attribute in attributes(info, 0) {
            match attribute? {
                (IFLA_INFO_KIND, value) => kind = value,
                (IFLA_INFO_DATA, value) => data = value,
                _ => {}
            }
        }
        Ok(match kind.strip_suffix(b"\0").unwrap_or(&kind) {
            b"" => Self::without_info(link_type),
            b"tun" => Self::Tun(Tun::parse(&data)?),
            b"veth" => Self::Veth,
            b"bridge" => Self::Bridge(Bridge::parse(&data)?),
            b"macvlan" => macvlan(&data)?,
            other => Self::Other(String::from_utf8_lossy(other).into_owned()),
        })
    }

    /// Whether both are of one kind that cannot be dumped.
    pub fn is_same(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Other(one), Self::Other(two)) if one == two)
    }

    /// Why it cannot be dumped.
    pub fn refused(&self, link_type: u16, other_is_outside: bool) -> Option<&'static str> {
        match self {
            Self::Tun(tun) => (!tun.has_usual_type(link_type))
                .then_some("the images have no place for what TUNSETLINK has set"),
            Self::Macvlan { mode, .. } if !MACVLAN_MODES.contains(mode) => {
                Some("the images have no place for the addresses of a macvlan in the mode source")
            }
            Self::Macvlan { .. } => (!other_is_outside).then_some(
                "the restore puts a macvlan only on an interface outside of the namespace",
            ),
            Self::Veth | Self::Bridge(_) => (link_type != ARPHRD_ETHER)
                .then_some("it is of no link type that the restore gives it"),
            Self::Other(_) => Some(
                "of the interfaces of a namespace the loopback one, veth, bridges, macvlan, tun \
                 and tap are dumped: the images have no place for others",
            ),
            Self::Loopback => None,
        }
    }

    /// How many packets may wait in its queue, of a new one: `DEFAULT_TX_QUEUE_LEN`
    /// (include/net/pkt_sched.h), and `TUN_READQ_SIZE` (drivers/net/tun.c).
    pub fn usual_queues(&self) -> &'static [u32] {
        match self {
            Self::Tun(_) => &[500, 1000],
            _ => &[1000],
        }
    }

    /// What the images would lack of it.
    pub fn lost(&self) -> Result<Option<&'static str>> {
        match self {
            Self::Bridge(bridge) if *bridge != Bridge::usual()? => {
                Ok(Some("settings of its own (ip link set type bridge)"))
            }
            _ => Ok(None),
        }
    }

    /// Its type in the images.
    pub fn image_type(&self) -> NdType {
        match self {
            Self::Loopback => NdType::Loopback,
            Self::Tun(_) => NdType::Tun,
            Self::Veth => NdType::Veth,
            Self::Bridge(_) => NdType::Bridge,
            Self::Macvlan { .. } => NdType::Macvlan,
            Self::Other(_) => NdType::Extlink,
        }
    }

    /// Whether only a descriptor of it tells all.
    pub fn has_header(&self) -> bool {
        matches!(self, Self::Tun(tun) if tun.has_header())
    }

    /// What a tun or tap device has of its own.
    pub fn tun(&self, device: Option<&TunDevice>) -> Option<TunLinkEntry> {
        match self {
            Self::Tun(tun) => Some(tun.entry(device)),
            _ => None,
        }
    }

    /// What a macvlan has of its own.
    pub fn macvlan(&self) -> Option<MacvlanLinkEntry> {
        match *self {
            Self::Macvlan { mode, flags } => Some(MacvlanLinkEntry { mode, flags }),
            _ => None,
        }
    }
}

fn macvlan(data: &[u8]) -> io::Result<Kind> {
    let (mut mode, mut flags) = (0, None);
    for attribute in attributes(data, 0) {
        match attribute? {
            (IFLA_MACVLAN_MODE, value) => mode = u32_at(&value, 0)?,
            (IFLA_MACVLAN_FLAGS, value) => flags = Some(u16_at(&value, 0)?.into()),
            _ => {}
        }
    }
    Ok(Kind::Macvlan { mode, flags })
}
