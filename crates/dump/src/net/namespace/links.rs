//! The interfaces of a network namespace (rtnetlink(7)).

use std::io;

use commensal_images::messages::{NdType, NetDeviceEntry};
use commensal_sys::Pid;
use linux_raw_sys::netlink::NETLINK_ROUTE;

use super::{refusal, settings};
use crate::net::request::Requests;
use crate::net::sock_diag::{attributes, u16_at, u32_at};
use crate::{Error, Refusal, Result};

// include/uapi/linux/rtnetlink.h, if_link.h and if_arp.h
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const ARPHRD_LOOPBACK: u16 = 772;
/// The length of `struct ifinfomsg`, in bytes.
const HEADER: usize = 16;

/// One interface.
pub struct Link {
    /// `ARPHRD_*`.
    kind: u16,
    index: u32,
    flags: u32,
    mtu: u32,
    name: String,
}

/// All interfaces of our thread's namespace.
///
/// # Errors
///
/// Where the kernel does not answer.
pub fn all() -> Result<Vec<Link>> {
    read().map_err(|source| Error::Netlink {
        request: "the interfaces",
        source,
    })
}

/// What cannot be saved: every interface but the loopback one.
///
/// # Errors
///
/// As [`all`].
pub fn check(root: Pid) -> Result<Vec<Refusal>> {
    let others = all()?
        .into_iter()
        .filter(|link| link.kind != ARPHRD_LOOPBACK);
    let refusals = others.map(|link| {
        refusal(
            root,
            &format!("in a network namespace with the interface {}", link.name),
            "of the interfaces of a namespace only the loopback one is dumped",
            "take the interface out of the namespace (ip link set DEV netns PID) before the dump",
        )
    });
    Ok(refusals.collect())
}

fn read() -> io::Result<Vec<Link>> {
    let answers = Requests::open(NETLINK_ROUTE)?.dump(RTM_GETLINK, &[0; HEADER])?;
    answers.iter().map(|answer| parse(answer)).collect()
}

fn parse(answer: &[u8]) -> io::Result<Link> {
    let mut link = Link {
        kind: u16_at(answer, 2)?,
        index: u32_at(answer, 4)?,
        flags: u32_at(answer, 8)?,
        mtu: 0,
        name: String::new(),
    };
    for attribute in attributes(answer, HEADER) {
        match attribute? {
            (IFLA_IFNAME, name) => {
                let name = name.strip_suffix(b"\0").unwrap_or(&name);
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            (IFLA_MTU, mtu) => link.mtu = u32_at(&mtu, 0)?,
            _ => {}
        }
    }
    Ok(link)
}

impl Link {
    /// The loopback interface's entry, in the namespace `id`.
    pub fn entry(&self, id: u32) -> NetDeviceEntry {
        let (conf4, conf6) = settings::of_interface(&self.name);
        NetDeviceEntry {
            r#type: NdType::Loopback.into(),
            ifindex: self.index,
            mtu: self.mtu,
            flags: self.flags,
            name: self.name.clone().into_bytes(),
            conf4,
            conf6,
            peer_ifindex: Some(self.index),
            peer_nsid: Some(id),
            ..NetDeviceEntry::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_has_a_loopback_interface() {
        let links = all().unwrap();
        let lo = links.iter().find(|link| link.kind == ARPHRD_LOOPBACK);
        let lo = lo.expect("one");
        assert_eq!((lo.name.as_str(), lo.index), ("lo", 1));
        assert!(lo.mtu > 0);
    }

    #[test]
    fn a_short_answer_is_an_error() {
        assert!(parse(&[0; 7]).is_err());
    }
}
