use super::parse::{HEADER, IFLA_IFNAME, IFLA_LINK_NETNSID, IFLA_LINKINFO, parse};
use super::*;
use crate::net::request::attribute;

#[test]
fn every_namespace_has_a_loopback_interface() {
    let links = all(&[]).unwrap();
    let lo = links
        .iter()
        .find(|link| matches!(link.kind, Kind::Loopback));
    let lo = lo.expect("one");
    assert_eq!((lo.name.as_str(), lo.index), ("lo", 1));
    assert!(lo.mtu > 0);
}

/// An answer with a name and a kind.
fn link(name: &str, kind: &str, flags: u32) -> Link {
    let mut answer = vec![0; HEADER];
    answer[8..12].copy_from_slice(&flags.to_ne_bytes());
    answer.extend(attribute(IFLA_IFNAME, name.as_bytes()));
    answer.extend(attribute(IFLA_LINKINFO, &attribute(1, kind.as_bytes())));
    parse(&answer).unwrap()
}

#[test]
fn what_every_namespace_has_comes_by_itself() {
    let usual = [link("sit0", "sit", 0), link("tunl0", "ipip", 0)];
    assert!(link("sit0", "sit", 0).comes_by_itself(&usual));
    assert!(!link("sit0", "sit", IFF_UP).comes_by_itself(&usual), "used");
    assert!(!link("sit1", "sit", 0).comes_by_itself(&usual), "added");
    assert!(!link("sit0", "vxlan", 0).comes_by_itself(&usual), "another");
}

#[test]
fn the_other_end_of_a_pair_may_be_in_another_namespace() {
    let mut answer = vec![0; HEADER];
    answer.extend(attribute(IFLA_LINKINFO, &attribute(1, b"veth")));
    assert_eq!(parse(&answer).unwrap().veth(), Some(("", false)));
    answer.extend(attribute(IFLA_LINK_NETNSID, &3i32.to_ne_bytes()));
    assert_eq!(parse(&answer).unwrap().veth(), Some(("", true)));
    assert_eq!(parse(&answer).unwrap().other_at, At::Id(3));
}

#[test]
fn a_short_answer_is_an_error() {
    assert!(parse(&[0; 7]).is_err());
}
