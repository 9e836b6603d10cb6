//! Multicast groups that a socket has joined (ip(7), ipv6(7)). The images have no place for them.
//!
//! The kernel lists the groups of an interface, but not who has joined them. So each socket is
//! asked for its source filter of each group (`MCAST_MSFILTER`, RFC 3678), which only members have.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;

use commensal_sys::sockopt::{self, SockOpt};
use linux_raw_sys::net::{AF_INET, AF_INET6, MCAST_MSFILTER, SOL_IP, SOL_IPV6};

use super::namespace::Networks;
use crate::Result;
use crate::files::OpenFile;

/// `struct group_filter` without sources (include/uapi/linux/in.h), in bytes.
const FILTER: usize = 144;
/// Where the group's address, a `struct sockaddr_storage`, begins in it.
const ADDRESS: usize = 8;

/// A group that somebody has joined on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    interface: u32,
    address: IpAddr,
}

/// The groups of each network namespace, once they were needed.
#[derive(Debug, Default)]
pub struct Groups(HashMap<u32, Vec<Group>>);

impl Groups {
    /// Those of the network namespace with a number.
    ///
    /// # Errors
    ///
    /// Where it cannot be entered.
    pub fn of(&mut self, id: u32, networks: &Networks) -> Result<&[Group]> {
        Ok(match self.0.entry(id) {
            Entry::Occupied(groups) => groups.into_mut(),
            Entry::Vacant(slot) => slot.insert(networks.inside(id, read)?),
        })
    }
}

/// Refuses a socket that is in one of the `groups`, or warns of it where that is accepted.
///
/// # Errors
///
/// The refusal.
pub fn check(file: &OpenFile, family: u32, groups: &[Group], accepted: bool) -> Result<()> {
    let joined = groups
        .iter()
        .filter(|group| is_possible(group.address, family) && is_member(file.fd(), group))
        .map(|group| group.address.to_string())
        .collect::<Vec<_>>();
    match joined.is_empty() {
        true => Ok(()),
        false => file.lose(
            format!("a member of the multicast group {}", joined.join(", ")),
            "the images have no place for it, and a restore joins none",
            accepted,
        ),
    }
}

/// A socket of IPv6 may join groups of IPv4, too.
fn is_possible(group: IpAddr, family: u32) -> bool {
    group.is_ipv4() || family == AF_INET6
}

/// Whether a socket has joined a group.
fn is_member(fd: BorrowedFd<'_>, group: &Group) -> bool {
    let mut filter = [0; FILTER];
    filter[..4].copy_from_slice(&group.interface.to_ne_bytes());
    let address = &mut filter[ADDRESS..];
    let level = match group.address {
        // `struct sockaddr_in`: family, port, address.
        IpAddr::V4(ip) => {
            address[..2].copy_from_slice(&(AF_INET as u16).to_ne_bytes());
            address[4..8].copy_from_slice(&ip.octets());
            SOL_IP
        }
        // `struct sockaddr_in6`: family, port, flow, address.
        IpAddr::V6(ip) => {
            address[..2].copy_from_slice(&(AF_INET6 as u16).to_ne_bytes());
            address[8..24].copy_from_slice(&ip.octets());
            SOL_IPV6
        }
    };
    sockopt::get_bytes(fd, SockOpt::new(level, MCAST_MSFILTER), &mut filter).is_ok()
}

/// The groups of all interfaces in our thread's namespace; those of a family that the kernel does not have are none.
fn read() -> Vec<Group> {
    let table = |name| {
        let path = format!("/proc/thread-self/net/{name}");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let (v4, v6) = (table("igmp"), table("igmp6"));
    parse_v4(&v4).chain(parse_v6(&v6)).collect()
}

/// Lines of an interface, `1 lo : 1 V3`, and behind each, indented, those of its groups:
/// `010000E0 1 0:00000000 0`, the address as a number of the machine.
fn parse_v4(table: &str) -> impl Iterator<Item = Group> {
    let mut interface = None;
    table.lines().filter_map(move |line| {
        let first = line.split_whitespace().next()?;
        if !line.starts_with('\t') {
            interface = first.parse().ok();
            return None;
        }
        let address = u32::from_str_radix(first, 16).ok()?;
        Some(Group {
            interface: interface?,
            address: Ipv4Addr::from(address.to_ne_bytes()).into(),
        })
    })
}

/// `1    lo              ff020000000000000000000000000001     1 0000000C 0`.
fn parse_v6(table: &str) -> impl Iterator<Item = Group> {
    table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let interface = words.next()?.parse().ok()?;
        let address = u128::from_str_radix(words.nth(1)?, 16).ok()?;
        Some(Group {
            interface,
            address: Ipv6Addr::from(address).into(),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn tables_are_parsed() {
        let v4 = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
                  4\teth0      :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n";
        let wanted = Group {
            interface: 4,
            address: Ipv4Addr::new(224, 0, 0, 1).into(),
        };
        assert_eq!(parse_v4(v4).collect::<Vec<_>>(), [wanted]);
        let v6 = "1    lo              ff020000000000000000000000000001     1 0000000C 0\n";
        let wanted = Group {
            interface: 1,
            address: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into(),
        };
        assert_eq!(parse_v6(v6).collect::<Vec<_>>(), [wanted]);
    }

    #[test]
    fn only_members_are_members() {
        let (member, other) = (
            UdpSocket::bind("127.0.0.1:0").unwrap(),
            UdpSocket::bind("127.0.0.1:0").unwrap(),
        );
        let address = Ipv4Addr::new(239, 3, 2, 1);
        member
            .join_multicast_v4(&address, &Ipv4Addr::LOCALHOST)
            .unwrap();
        let group = read()
            .into_iter()
            .find(|group| group.address == address)
            .expect("the kernel lists it");
        assert!(is_member(member.as_fd(), &group));
        assert!(!is_member(other.as_fd(), &group));
    }
}
