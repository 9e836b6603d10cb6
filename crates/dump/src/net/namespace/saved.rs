//! What `ip route save` and `ip rule save` give: four bytes that tell which of the two, and
//! rtnetlink(7)'s messages, which a restore sends as they are.

use std::io;

use netlink_packet_core::NetlinkBuffer;

use crate::net::request::invalid;
use crate::net::sock_diag::{attributes, u32_at};

/// The bytes that come first.
const MAGIC: usize = 4;
/// The length of `struct nlmsghdr`, in bytes.
const NETLINK_HEADER: usize = 16;
/// The length of `struct rtmsg` and of `struct fib_rule_hdr`, in bytes.
const HEADER: usize = 12;

// include/uapi/linux/rtnetlink.h and fib_rules.h
const RTA_TABLE: u16 = 15;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;
const RT_TABLE_MAIN: u32 = 254;
const RT_TABLE_LOCAL: u32 = 255;
const RTPROT_KERNEL: u8 = 2;
const RTA_MULTIPATH: u16 = 9;
/// `RTNH_F_DEAD` and `RTNH_F_LINKDOWN`.
const STATE: u8 = 1 | 16;
/// Where a new namespace has its rule for the main table.
const MAIN_PRIORITY: u32 = 32766;

/// The routes without those that the kernel makes for the addresses of interfaces, and without what
/// an interface that has lost its carrier has made of them: the kernel takes no route like that.
///
/// # Errors
///
/// For what is no output of `ip route save`.
pub fn routes(saved: &[u8]) -> io::Result<Vec<u8>> {
    let kept = messages(saved, |route| {
        let table = numbers(route, RTA_TABLE, 0)?.0;
        let table = table.unwrap_or_else(|| route[4].into());
        Ok(table != RT_TABLE_LOCAL || route[5] != RTPROT_KERNEL)
    });
    let mut kept = kept?;
    each_message(&mut kept, without_state)?;
    Ok([&saved[..MAGIC.min(saved.len())], &kept].concat())
}

/// Clears `RTNH_F_DEAD` and `RTNH_F_LINKDOWN` of a message with a route, and of its next hops.
fn without_state(route: &mut [u8]) {
    // The lowest byte of `rtm_flags`, the last field of `struct rtmsg`.
    let (header, mut rest) = route.split_at_mut(NETLINK_HEADER + HEADER);
    header[NETLINK_HEADER + 8] &= !STATE;
    while let Some((attribute, others)) = split(rest) {
        let (header, mut hops) = attribute.split_at_mut(4);
        if u16::from_ne_bytes([header[2], header[3]]) == RTA_MULTIPATH {
            while let Some((hop, others)) = split(hops) {
                hop[2] &= !STATE;
                hops = others;
            }
        }
        rest = others;
    }
}

/// The first record that begins with its own length in two bytes, and what follows it.
fn split(records: &mut [u8]) -> Option<(&mut [u8], &mut [u8])> {
    let length = usize::from(u16::from_ne_bytes([*records.first()?, *records.get(1)?]));
    (length >= 4).then(|| records.split_at_mut_checked(length.next_multiple_of(4)))?
}

fn each_message(messages: &mut [u8], change: impl Fn(&mut [u8])) -> io::Result<()> {
    let mut rest = messages;
    while !rest.is_empty() {
        let length = NetlinkBuffer::new_checked(&*rest)
            .map_err(invalid)?
            .length();
        let length = (length as usize).next_multiple_of(4).min(rest.len());
        let (message, others) = rest.split_at_mut(length);
        change(message);
        rest = others;
    }
    Ok(())
}

/// The rules of IPv4, and behind them those of IPv6 that a new namespace has not: the restore
/// deletes those of IPv4 only.
///
/// # Errors
///
/// For what is no output of `ip rule save`.
pub fn rules(v4: Vec<u8>, v6: &[u8]) -> io::Result<Vec<u8>> {
    let kept = messages(v6, |rule| {
        let (table, priority) = numbers(rule, FRA_TABLE, FRA_PRIORITY)?;
        let is_usual = matches!(
            (table, priority),
            (Some(RT_TABLE_LOCAL), None) | (Some(RT_TABLE_MAIN), Some(MAIN_PRIORITY))
        );
        Ok(!is_usual)
    });
    Ok([v4, kept?].concat())
}

/// The messages that `keep` says yes to, of their payloads.
fn messages(saved: &[u8], keep: impl Fn(&[u8]) -> io::Result<bool>) -> io::Result<Vec<u8>> {
    let mut rest = saved.get(MAGIC..).unwrap_or_default();
    let mut kept = Vec::new();
    while !rest.is_empty() {
        let message = NetlinkBuffer::new_checked(rest).map_err(invalid)?;
        let length = (message.length() as usize)
            .next_multiple_of(4)
            .min(rest.len());
        if message.payload().len() < HEADER {
            return Err(invalid("a saved route or rule that is too short"));
        }
        let (message, others) = rest.split_at(length);
        if keep(NetlinkBuffer::new(message).payload())? {
            kept.extend_from_slice(message);
        }
        rest = others;
    }
    Ok(kept)
}

/// The numbers of two attributes.
fn numbers(payload: &[u8], one: u16, two: u16) -> io::Result<(Option<u32>, Option<u32>)> {
    let mut found = (None, None);
    for attribute in attributes(payload, HEADER) {
        let (kind, value) = attribute?;
        if kind == one {
            found.0 = Some(u32_at(&value, 0)?);
        } else if kind == two {
            found.1 = Some(u32_at(&value, 0)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::request::message;

    fn with_table(header: [u8; HEADER], table: u32, priority: Option<u32>) -> Vec<u8> {
        let mut payload = header.to_vec();
        let priority = priority.map(|priority| (FRA_PRIORITY, priority));
        for (kind, number) in [(RTA_TABLE, table)].into_iter().chain(priority) {
            payload.extend([8u16.to_ne_bytes(), kind.to_ne_bytes()].concat());
            payload.extend(number.to_ne_bytes());
        }
        message(24, 0, 1, &payload)
    }

    fn route(table: u32, protocol: u8) -> Vec<u8> {
        with_table([2, 0, 0, 0, 0, protocol, 0, 0, 0, 0, 0, 0], table, None)
    }

    #[test]
    fn routes_of_addresses_come_with_the_addresses() {
        let saved = [
            b"magi".to_vec(),
            route(255, 2),
            route(254, 2),
            route(255, 3),
            route(100, 3),
        ];
        let kept = [
            b"magi".to_vec(),
            route(254, 2),
            route(255, 3),
            route(100, 3),
        ];
        assert_eq!(routes(&saved.concat()).unwrap(), kept.concat());
        assert_eq!(routes(b"").unwrap(), b"");
        assert!(routes(b"magi and no message").is_err());
    }

    #[test]
    fn routes_over_what_has_no_carrier_are_told_without_that() {
        let with = |state: u8| {
            let hop = |index: u8| [8, 0, state | 4, 0, index, 0, 0, 0];
            let flags = [state, 0, 0, 0];
            let header = [2, 0, 0, 0, 254, 3, 0, 1];
            let attributes = [
                [8, 0, 15, 0, 254, 0, 0, 0],
                [20, 0, 9, 0, 8, 0, state | 4, 0],
            ];
            let payload = [
                &header[..],
                &flags,
                &attributes.concat(),
                &[7, 0, 0, 0],
                &hop(8),
            ];
            [b"magi".to_vec(), message(24, 0, 1, &payload.concat())].concat()
        };
        assert_eq!(routes(&with(STATE)).unwrap(), with(0));
    }

    #[test]
    fn rules_of_the_other_version_follow() {
        let rule = |table, priority| with_table([10; HEADER], table, priority);
        let v6 = [
            b"magi".to_vec(),
            rule(255, None),
            rule(100, Some(9)),
            rule(254, Some(32766)),
        ];
        let all = [b"magiv4".to_vec(), rule(100, Some(9))].concat();
        assert_eq!(rules(b"magiv4".to_vec(), &v6.concat()).unwrap(), all);
    }
}
