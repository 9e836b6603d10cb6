//! tun and tap interfaces: what rtnetlink(7) tells of them (`IFLA_INFO_DATA`), together with what
//! descriptors of the tree tell.

use std::io;

use commensal_images::messages::TunLinkEntry;
use linux_raw_sys::if_tun::{
    IFF_MULTI_QUEUE, IFF_NO_PI, IFF_PERSIST, IFF_TAP, IFF_TUN, IFF_VNET_HDR,
};

use crate::files::{TunDevice, USUAL_TUN_SEND_BUFFER};
use crate::net::sock_diag::{attributes, u32_at};

// include/uapi/linux/if_link.h, `IFLA_TUN_*`
const OWNER: u16 = 1;
const GROUP: u16 = 2;
const TYPE: u16 = 3;
const PI: u16 = 4;
const VNET_HDR: u16 = 5;
const PERSIST: u16 = 6;
const MULTI_QUEUE: u16 = 7;

// include/uapi/linux/if_arp.h
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_NONE: u16 = 0xfffe;

/// `sizeof(struct virtio_net_hdr)`.
const USUAL_HEADER: u32 = 10;

/// A tun or tap interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tun {
    flags: u32,
    owner: i32,
    group: i32,
}

impl Tun {
    /// Reads the attributes of `IFLA_INFO_DATA`.
    pub fn parse(data: &[u8]) -> io::Result<Self> {
        let mut tun = Self {
            flags: IFF_NO_PI,
            owner: -1,
            group: -1,
        };
        for attribute in attributes(data, 0) {
            let (kind, value) = attribute?;
            let is_set = value.first().is_some_and(|byte| *byte != 0);
            let flag = |flag| if is_set { flag } else { 0 };
            match kind {
                OWNER => tun.owner = u32_at(&value, 0)? as i32,
                GROUP => tun.group = u32_at(&value, 0)? as i32,
                TYPE => tun.flags |= u32::from(value.first().copied().unwrap_or(0)),
                PI if is_set => tun.flags &= !IFF_NO_PI,
                VNET_HDR => tun.flags |= flag(IFF_VNET_HDR),
                PERSIST => tun.flags |= flag(IFF_PERSIST),
                MULTI_QUEUE => tun.flags |= flag(IFF_MULTI_QUEUE),
                _ => {}
            }
        }
        Ok(tun)
    }

    /// Whether it has the type of link (`ARPHRD_*`) that a restore gives it.
    pub fn has_usual_type(self, kind: u16) -> bool {
        match self.flags & (IFF_TUN | IFF_TAP) {
            IFF_TUN => kind == ARPHRD_NONE,
            IFF_TAP => kind == ARPHRD_ETHER,
            _ => false,
        }
    }

    /// Whether packets have a header, whose length only a descriptor tells.
    pub fn has_header(self) -> bool {
        self.flags & IFF_VNET_HDR != 0
    }

    /// Its entry; `device` is what a descriptor of the tree tells, and where none does, the
    /// kernel's default is taken.
    pub fn entry(self, device: Option<&TunDevice>) -> TunLinkEntry {
        TunLinkEntry {
            flags: self.flags | device.map_or(0, |device| device.flags),
            owner: self.owner,
            group: self.group,
            vnethdr: device.map_or(USUAL_HEADER, |device| device.header),
            sndbuf: USUAL_TUN_SEND_BUFFER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::request::attribute;

    #[test]
    fn attributes_become_flags() {
        let data = [
            attribute(OWNER, &7u32.to_ne_bytes()),
            attribute(TYPE, &[2]),
            attribute(PI, &[0]),
            attribute(PERSIST, &[1]),
        ];
        let tun = Tun::parse(&data.concat()).unwrap();
        assert_eq!(tun.flags, IFF_TAP | IFF_NO_PI | IFF_PERSIST);
        assert_eq!((tun.owner, tun.group), (7, -1));
        assert!(tun.has_usual_type(ARPHRD_ETHER) && !tun.has_usual_type(ARPHRD_NONE));
    }

    #[test]
    fn packet_information_is_a_flag_that_is_not_there() {
        let data = [attribute(TYPE, &[1]), attribute(PI, &[1])];
        assert_eq!(Tun::parse(&data.concat()).unwrap().flags, IFF_TUN);
        assert!(Tun::parse(&attribute(OWNER, &[1])).is_err());
    }
}
