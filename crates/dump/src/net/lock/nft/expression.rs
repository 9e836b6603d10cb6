//! The expressions of the lock's rules (include/uapi/linux/netfilter/nf_tables.h).

use super::attribute::{Attributes, LIST_ELEM};

const META_MARK: u32 = 3;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const TCP: u8 = 6;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const VERDICT_DROP: u32 = 0;
const VERDICT_ACCEPT: u32 = 1;
const REGISTER_VERDICT: u32 = 0;
/// The first register of 4 bytes (`NFT_REG32_00`).
const REGISTER: u32 = 8;

/// Packets with this mark pass.
pub fn accept_mark(mark: u32) -> Attributes {
    let list = meta_is(Attributes::new(), META_MARK, &mark.to_ne_bytes());
    verdict(list, VERDICT_ACCEPT)
}

/// TCP packets whose addresses and ports are in a set are dropped.
pub fn drop_members(set: &str, set_id: u32) -> Attributes {
    // Offsets of the source and destination address, and their length.
    let (protocol, source, destination, len) = match set {
        "conns4" => (NFPROTO_IPV4, 12, 16, 4),
        _ => (NFPROTO_IPV6, 8, 24, 16),
    };
    let words = len / 4;
    let list = meta_is(Attributes::new(), META_NFPROTO, &[protocol]);
    let list = meta_is(list, META_L4PROTO, &[TCP]);
    let list = load(list, REGISTER, NETWORK_HEADER, source, len);
    let list = load(list, REGISTER + words, TRANSPORT_HEADER, 0, 2);
    let list = load(list, REGISTER + words + 1, NETWORK_HEADER, destination, len);
    let list = load(list, REGISTER + 2 * words + 1, TRANSPORT_HEADER, 2, 2);
    let lookup = Attributes::new()
        .string(1, set)
        .be32(2, REGISTER)
        .be32(4, set_id);
    verdict(expression(list, "lookup", lookup), VERDICT_DROP)
}

/// Goes on only where a piece of meta data has this value.
fn meta_is(list: Attributes, key: u32, value: &[u8]) -> Attributes {
    let list = expression(
        list,
        "meta",
        Attributes::new().be32(1, REGISTER).be32(2, key),
    );
    let value = Attributes::new().bytes(1, value);
    let compare = Attributes::new()
        .be32(1, REGISTER)
        .be32(2, 0)
        .nested(3, value);
    expression(list, "cmp", compare)
}

/// Loads bytes of the packet.
fn load(list: Attributes, register: u32, base: u32, offset: u32, len: u32) -> Attributes {
    let payload = Attributes::new()
        .be32(1, register)
        .be32(2, base)
        .be32(3, offset)
        .be32(4, len);
    expression(list, "payload", payload)
}

fn verdict(list: Attributes, code: u32) -> Attributes {
    let verdict = Attributes::new().nested(2, Attributes::new().be32(1, code));
    expression(
        list,
        "immediate",
        Attributes::new()
            .be32(1, REGISTER_VERDICT)
            .nested(2, verdict),
    )
}

fn expression(list: Attributes, name: &str, data: Attributes) -> Attributes {
    list.nested(LIST_ELEM, Attributes::new().string(1, name).nested(2, data))
}
