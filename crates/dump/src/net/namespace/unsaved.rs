//! What a network namespace has and the images have no place for, besides its interfaces.

use std::io;

use commensal_sys::{Errno, Pid};
use linux_raw_sys::netlink::{NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_XFRM};

use super::{Loss, refusal};
use crate::net::request::Requests;
use crate::net::sock_diag::{u16_at, u32_at};
use crate::{Error, Refusal, Result};

// include/uapi/linux/rtnetlink.h, xfrm.h, neighbour.h, socket.h, netfilter/nfnetlink.h and
// netfilter/ipset/ip_set.h
const RTM_GETNEIGH: u16 = 30;
const RTM_GETQDISC: u16 = 38;
const RTM_GETNEXTHOP: u16 = 106;
const XFRM_MSG_GETSA: u16 = 18;
const XFRM_MSG_GETPOLICY: u16 = 21;
const NFNL_SUBSYS_IPSET: u16 = 6;
const IPSET_CMD_LIST: u16 = 7;
const NUD_NOARP: u16 = 0x40;
const NUD_PERMANENT: u16 = 0x80;
const NTF_PROXY: u8 = 0x08;
const AF_BRIDGE: u8 = 7;

/// `struct ndmsg`, with this family and these flags.
const fn neighbours(family: u8, flags: u8) -> [u8; 12] {
    [family, 0, 0, 0, 0, 0, 0, 0, 0, 0, flags, 0]
}

/// A list of the kernel's that should be empty, but for what is there anyway.
struct List {
    what: &'static str,
    protocol: u32,
    request: u16,
    payload: &'static [u8],
    is_made: fn(&[u8]) -> io::Result<bool>,
}

fn any(_: &[u8]) -> io::Result<bool> {
    Ok(true)
}

const NEXT_HOPS: List = List {
    what: "next hops of their own (ip nexthop)",
    protocol: NETLINK_ROUTE,
    request: RTM_GETNEXTHOP,
    // `struct nhmsg`
    payload: &[0; 8],
    is_made: any,
};

const LISTS: [List; 7] = [
    List {
        what: "permanent neighbours (ip neighbour)",
        protocol: NETLINK_ROUTE,
        request: RTM_GETNEIGH,
        payload: &neighbours(0, 0),
        is_made: |one| Ok(u16_at(one, 8)? & NUD_PERMANENT != 0),
    },
    List {
        what: "neighbours that it answers for (ip neighbour add proxy)",
        protocol: NETLINK_ROUTE,
        request: RTM_GETNEIGH,
        payload: &neighbours(0, NTF_PROXY),
        is_made: any,
    },
    List {
        what: "static addresses in a bridge (bridge fdb)",
        protocol: NETLINK_ROUTE,
        request: RTM_GETNEIGH,
        payload: &neighbours(AF_BRIDGE, 0),
        is_made: |one| Ok(u16_at(one, 8)? & NUD_NOARP != 0),
    },
    List {
        what: "traffic control (tc qdisc)",
        protocol: NETLINK_ROUTE,
        request: RTM_GETQDISC,
        // `struct tcmsg`
        payload: &[0; 20],
        // What the kernel gives every interface has no handle.
        is_made: |one| Ok(u32_at(one, 8)? != 0),
    },
    List {
        what: "IPsec associations (ip xfrm state)",
        protocol: NETLINK_XFRM,
        request: XFRM_MSG_GETSA,
        payload: &[],
        is_made: any,
    },
    List {
        what: "IPsec policies (ip xfrm policy)",
        protocol: NETLINK_XFRM,
        request: XFRM_MSG_GETPOLICY,
        payload: &[],
        is_made: any,
    },
    List {
        what: "sets of addresses (ipset)",
        protocol: NETLINK_NETFILTER,
        request: NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST,
        // `struct nfgenmsg`, and IPSET_ATTR_PROTOCOL of 7.
        payload: &[0, 0, 0, 0, 5, 0, 1, 0, 7, 0, 0, 0],
        is_made: any,
    },
];

/// What a restore would go without.
///
/// # Errors
///
/// Where the kernel does not answer.
pub fn losses() -> Result<Vec<Loss>> {
    let mut losses = Vec::new();
    for list in &LISTS {
        if list.is_used()? {
            losses.push(Loss {
                what: list.what.to_owned(),
                reason: "the images have no place for them",
                remedy: "delete them before the dump, or accept the loss: --accept-loss",
            });
        }
    }
    Ok(losses)
}

/// What a restore would fail on.
///
/// # Errors
///
/// As [`losses`].
pub fn check(root: Pid) -> Result<Option<Refusal>> {
    let refused = || {
        refusal(
            root,
            &format!("in a network namespace with {}", NEXT_HOPS.what),
            "the images have no place for them, and the routes over them could not be restored",
            "give the routes their gateways themselves before the dump",
        )
    };
    Ok(NEXT_HOPS.is_used()?.then(refused))
}

impl List {
    fn is_used(&self) -> Result<bool> {
        let failed = |source| Error::Netlink {
            request: self.what,
            source,
        };
        let answers = Requests::open(self.protocol)
            .and_then(|mut requests| requests.dump(self.request, self.payload));
        match answers {
            Ok(answers) => {
                let made = answers.iter().map(|one| (self.is_made)(one));
                let made: Vec<bool> = made.collect::<io::Result<_>>().map_err(failed)?;
                Ok(made.contains(&true))
            }
            Err(error) if is_missing(&error) => Ok(false),
            Err(source) => Err(failed(source)),
        }
    }
}

/// A kernel that has no such thing.
fn is_missing(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT)
    )
}

#[cfg(test)]
mod tests {
    use super::super::fresh;
    use super::*;

    #[test]
    fn a_new_namespace_has_nothing_of_it() {
        let used = fresh::inside(|| {
            let lists = LISTS.iter().chain([&NEXT_HOPS]);
            Ok(lists.filter(|list| list.is_used().unwrap()).count())
        });
        match used {
            Ok(used) => assert_eq!(used, 0),
            // Making one takes root.
            Err(error) => assert!(
                error.to_string().contains("new network namespace"),
                "{error}"
            ),
        }
    }

    #[test]
    fn a_set_of_addresses_is_found() {
        use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};

        use crate::net::request::attribute;

        const CREATE: u16 = NFNL_SUBSYS_IPSET << 8 | 2;
        const NESTED: u16 = 0x8000;
        let used = fresh::inside(|| {
            let mut requests = Requests::open(NETLINK_NETFILTER)?;
            // Protocol, name, type, revision, family, and no options.
            let set = [
                vec![0; 4],
                attribute(1, &[7]),
                attribute(2, b"some\0"),
                attribute(3, b"hash:ip\0"),
                attribute(4, &[0]),
                attribute(5, &[2]),
                attribute(NESTED | 7, &[]),
            ];
            let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
            let request = requests.message(CREATE, flags, &set.concat());
            requests.send_acknowledged(&request)?;
            let sets = LISTS.iter().find(|list| list.what.contains("ipset"));
            Ok(sets.unwrap().is_used().unwrap())
        });
        // Without root there is no new namespace, and not every kernel has sets to make.
        if let Ok(used) = used {
            assert!(used, "the set was made");
        }
    }
}
