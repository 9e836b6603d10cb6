//! The interfaces of a network namespace (rtnetlink(7)).

use std::io;

use commensal_images::messages::{NdType, NetDeviceEntry};
use commensal_sys::Pid;
use linux_raw_sys::netlink::NETLINK_ROUTE;

use super::tun::Tun;
use super::{refusal, settings};
use crate::files::TunDevices;
use crate::net::request::Requests;
use crate::net::sock_diag::{attributes, u16_at, u32_at};
use crate::{Error, Refusal, Result};

// include/uapi/linux/rtnetlink.h, if_link.h and if_arp.h
const RTM_GETLINK: u16 = 18;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
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
    address: Option<Vec<u8>>,
    tun: Option<Tun>,
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

/// What cannot be saved: every interface but the loopback one, tun and tap.
///
/// # Errors
///
/// As [`all`].
pub fn check(root: Pid) -> Result<Vec<Refusal>> {
    let links = all()?;
    let refused = links.iter().filter_map(|link| match link.tun {
        Some(tun) if tun.has_usual_type(link.kind) => None,
        Some(_) => Some((
            format!("{}, a tun device of link type {}", link.name, link.kind),
            "the images have no place for what TUNSETLINK has set",
        )),
        None if link.kind == ARPHRD_LOOPBACK => None,
        None => Some((
            format!("the interface {}", link.name),
            "of the interfaces of a namespace only the loopback one, tun and tap are dumped",
        )),
    });
    let remedy =
        "take the interface out of the namespace (ip link set DEV netns PID) before the dump";
    let refusals = refused.map(|(what, reason)| {
        let what = format!("in a network namespace with {what}");
        refusal(root, &what, reason, remedy)
    });
    Ok(refusals.collect())
}

/// Of an interface that no task of the tree has open.
fn lose_header(name: &str, root: Pid, accept_loss: bool) -> Result<(), Refusal> {
    let what = format!("in a network namespace with {name}, which no task of the tree has open");
    let reason = "only who has a tun or tap device open is told the length of its packets' \
                  headers (IFF_VNET_HDR): a restore gives them the usual one";
    if accept_loss {
        tracing::warn!("task {root} is {what}: {reason}");
        return Ok(());
    }
    let remedy = "delete the interface before the dump, or accept the loss: --accept-loss";
    Err(refusal(root, &what, reason, remedy))
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
        address: None,
        tun: None,
    };
    for attribute in attributes(answer, HEADER) {
        match attribute? {
            (IFLA_IFNAME, name) => {
                let name = name.strip_suffix(b"\0").unwrap_or(&name);
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            (IFLA_MTU, mtu) => link.mtu = u32_at(&mtu, 0)?,
            (IFLA_ADDRESS, address) => link.address = Some(address),
            (IFLA_LINKINFO, info) => link.tun = parse_tun(&info)?,
            _ => {}
        }
    }
    Ok(link)
}

/// What is special about a tun or tap interface; `None` for other kinds.
fn parse_tun(info: &[u8]) -> io::Result<Option<Tun>> {
    let (mut kind, mut data) = (Vec::new(), Vec::new());
    for attribute in attributes(info, 0) {
        match attribute? {
            (IFLA_INFO_KIND, value) => kind = value,
            (IFLA_INFO_DATA, value) => data = value,
            _ => {}
        }
    }
    match kind.as_slice() {
        b"tun\0" => Tun::parse(&data).map(Some),
        _ => Ok(None),
    }
}

impl Link {
    /// Its entry, in the namespace `id`; `devices` are those that tasks of the tree have open.
    ///
    /// # Errors
    ///
    /// A refusal of a tun or tap device that none of them has open, unless that is accepted.
    pub fn entry(
        &self,
        id: u32,
        devices: &TunDevices,
        root: Pid,
        accept_loss: bool,
    ) -> Result<NetDeviceEntry> {
        let device = devices.get(self.name.as_bytes());
        if self.tun.is_some_and(Tun::has_header) && device.is_none() {
            lose_header(&self.name, root, accept_loss)?;
        }
        let (conf4, conf6) = settings::of_interface(&self.name);
        let kind = match self.tun {
            Some(_) => NdType::Tun,
            None => NdType::Loopback,
        };
        Ok(NetDeviceEntry {
            r#type: kind.into(),
            ifindex: self.index,
            mtu: self.mtu,
            flags: self.flags,
            name: self.name.clone().into_bytes(),
            tun: self.tun.map(|tun| tun.entry(device)),
            address: self.address.clone().filter(|_| self.tun.is_some()),
            conf4,
            conf6,
            peer_ifindex: Some(self.index),
            peer_nsid: Some(id),
            ..NetDeviceEntry::default()
        })
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
