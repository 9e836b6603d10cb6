//! The ids by which one network namespace knows others (rtnetlink(7), `RTM_GETNSID`): an interface
//! tells by them where its other end is.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use commensal_images::messages::NetnsId;
use linux_raw_sys::netlink::NETLINK_ROUTE;

use crate::net::request::{Requests, attribute, invalid};
use crate::net::sock_diag::{attributes, u32_at};

// include/uapi/linux/rtnetlink.h and net_namespace.h
const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
const NOT_ASSIGNED: i32 = -1;
/// The length of `struct rtgenmsg` with what pads it, in bytes.
const HEADER: usize = 4;

/// What our thread's namespace calls `others`, each with its number in the images; those that it
/// has no id for are left out.
///
/// # Errors
///
/// Where the kernel does not answer.
pub fn read<'a>(others: impl Iterator<Item = (u32, BorrowedFd<'a>)>) -> io::Result<Vec<NetnsId>> {
    let mut requests = Requests::open(NETLINK_ROUTE)?;
    let mut ids = Vec::new();
    for (target_ns_id, namespace) in others {
        let fd = attribute(NETNSA_FD, &namespace.as_raw_fd().to_ne_bytes());
        let answer = requests.get(RTM_GETNSID, &[vec![0; HEADER], fd].concat())?;
        let netnsid_value = parse(&answer)?;
        if netnsid_value != NOT_ASSIGNED {
            ids.push(NetnsId {
                target_ns_id,
                netnsid_value,
            });
        }
    }
    Ok(ids)
}

fn parse(answer: &[u8]) -> io::Result<i32> {
    for attribute in attributes(answer, HEADER) {
        let (kind, value) = attribute?;
        if kind == NETNSA_NSID {
            return Ok(u32_at(&value, 0)? as i32);
        }
    }
    Err(invalid("an answer without the id of a namespace"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn a_namespace_without_an_id_is_left_out() {
        let own = File::open("/proc/thread-self/ns/net").unwrap();
        // One may have an id for itself, but hardly has.
        let ids = read([(7, own.as_fd())].into_iter()).unwrap();
        assert!(ids.len() < 2);
        assert_eq!(
            parse(&[&[0; 4][..], &attribute(1, &[5, 0, 0, 0])].concat()).unwrap(),
            5
        );
        assert!(parse(&[0; 4]).is_err());
    }
}
