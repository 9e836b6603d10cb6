//! The lock as a table of nftables, in one transaction over netlink.
//!
//! Not through the `nft` program: a table that the kernel removes with its
//! owner needs a socket that lives as long as we do.

use std::io;
use std::net::IpAddr;

use linux_raw_sys::netlink::NETLINK_NETFILTER;
use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};

use super::super::address::{Connection, Endpoint};
use super::super::request::Requests;

mod attribute;
mod expression;

use attribute::{Attributes, LIST_ELEM};

/// Packets with this mark pass: CRIU's restore sends some itself
/// (`SOCCR_MARK`).
const RESTORE_MARK: u32 = 0xc114;
/// CRIU builds "inet CRIU-" and the run id in 32 bytes with a NUL.
const RESTORE_NAME: usize = 32 - 1 - "inet ".len();
/// Elements in one transaction: a netlink message must fit the send buffer.
const CHUNK: usize = 1000;

// include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h
const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_INET: u8 = 1;
const SUBSYS_NFTABLES: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = 0;
const NEWCHAIN: u16 = 3;
const NEWRULE: u16 = 6;
const NEWSET: u16 = 9;
const NEWSETELEM: u16 = 12;
const TABLE_F_OWNER: u32 = 2;
const HOOK_LOCAL_IN: u32 = 1;
const HOOK_LOCAL_OUT: u32 = 3;
const POLICY_DROP: u32 = 0;
const POLICY_ACCEPT: u32 = 1;

/// The chains of a table, each at its hook.
const HOOKS: [(&str, u32); 2] = [("output", HOOK_LOCAL_OUT), ("input", HOOK_LOCAL_IN)];

/// The two sets of a table: their name, their id in the transaction that makes
/// them and the bytes of a key.
const SETS: [(&str, u32, usize); 2] = [("conns4", 1, 16), ("conns6", 2, 40)];

/// A table that lives as long as this.
pub struct Table {
    requests: Requests,
    name: String,
}

impl Table {
    /// Makes an empty table that is removed with our socket.
    pub fn create_owned(name: &str) -> io::Result<Self> {
        let mut requests = Requests::open(NETLINK_NETFILTER)?;
        let mut batch = Batch::new(&mut requests);
        batch.table(name, TABLE_F_OWNER);
        batch.commit()?;
        let name = name.to_owned();
        Ok(Self { requests, name })
    }

    /// Drops the packets of these connections from now on.
    pub fn hold(&mut self, connections: &[Connection]) -> io::Result<()> {
        add(&mut self.requests, &self.name, connections)
    }

    /// Makes the table that CRIU's restore of the dump `run_id` removes.
    pub fn create_for_restore(run_id: &str, connections: &[Connection]) -> io::Result<()> {
        let name = restore_name(run_id);
        let mut requests = Requests::open(NETLINK_NETFILTER)?;
        let mut batch = Batch::new(&mut requests);
        batch.table(&name, 0);
        batch.commit()?;
        add(&mut requests, &name, connections)
    }

    /// Makes the table that drops everything, and that CRIU's restore of the
    /// dump `run_id` removes.
    pub fn create_for_all(run_id: &str) -> io::Result<()> {
        let name = restore_name(run_id);
        let mut requests = Requests::open(NETLINK_NETFILTER)?;
        let mut batch = Batch::new(&mut requests);
        let attributes = Attributes::new().string(1, &name).be32(2, 0);
        batch.push(NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, attributes);
        for (chain, hook) in HOOKS {
            batch.chain(&name, chain, hook, POLICY_DROP);
        }
        batch.commit()
    }
}

/// That table in the language of nft(8), for the image of a packet filter: the restore then begins
/// with all packets held back, and removes it when it is done.
pub fn text_for_all(run_id: &str) -> String {
    let chains = HOOKS.map(|(hook, _)| {
        format!(
            "\tchain {hook} {{\n\t\ttype filter hook {hook} priority 0; policy drop;\n\
             \t\tmeta mark {RESTORE_MARK:#x} accept\n\t}}\n"
        )
    });
    let name = restore_name(run_id);
    format!("table inet {name} {{\n{}}}\n", chains.concat())
}

fn restore_name(run_id: &str) -> String {
    let mut name = format!("CRIU-{run_id}");
    name.truncate(RESTORE_NAME);
    name
}

fn add(requests: &mut Requests, table: &str, connections: &[Connection]) -> io::Result<()> {
    for chunk in connections.chunks(CHUNK) {
        let mut batch = Batch::new(requests);
        for (index, (set, _, _)) in SETS.iter().enumerate() {
            let keys = chunk.iter().flat_map(keys);
            batch.elements(
                table,
                set,
                keys.filter(|key| key.len() == SETS[index].2).collect(),
            );
        }
        batch.commit()?;
    }
    Ok(())
}

/// A connection's set keys, one for each direction of its packets.
fn keys(connection: &Connection) -> [Vec<u8>; 2] {
    let Connection { local, peer } = connection;
    [[peer, local], [local, peer]].map(|ends| ends.map(half_key).concat())
}

/// An address and a port, each padded to whole registers.
fn half_key(end: &Endpoint) -> Vec<u8> {
    let mut key = match end.ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    key.extend(end.port.to_be_bytes());
    key.extend([0; 2]);
    key
}

/// Messages that take effect together or not at all.
struct Batch<'a> {
    requests: &'a mut Requests,
    bytes: Vec<u8>,
}

impl<'a> Batch<'a> {
    fn new(requests: &'a mut Requests) -> Self {
        let mut batch = Self {
            requests,
            bytes: Vec::new(),
        };
        batch.boundary(BATCH_BEGIN);
        batch
    }

    /// A table with both hooks, both sets and the rules that drop.
    fn table(&mut self, table: &str, flags: u32) {
        let attributes = Attributes::new().string(1, table).be32(2, flags);
        self.push(NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, attributes);
        for (set, id, key_len) in SETS {
            let attributes = Attributes::new()
                .string(1, table)
                .string(2, set)
                .be32(3, 0)
                .be32(4, 0)
                .be32(5, key_len as u32)
                .be32(10, id);
            self.push(NEWSET, NLM_F_CREATE, attributes);
        }
        for (chain, hook) in HOOKS {
            self.chain(table, chain, hook, POLICY_ACCEPT);
            for (set, id, _) in SETS {
                self.rule(table, chain, expression::drop_members(set, id));
            }
        }
    }

    /// A chain at a hook, in which marked packets pass.
    fn chain(&mut self, table: &str, chain: &str, hook: u32, policy: u32) {
        let attributes = Attributes::new()
            .string(1, table)
            .string(3, chain)
            .nested(4, Attributes::new().be32(1, hook).be32(2, 0))
            .be32(5, policy)
            .string(7, "filter");
        self.push(NEWCHAIN, NLM_F_CREATE, attributes);
        self.rule(table, chain, expression::accept_mark(RESTORE_MARK));
    }

    fn rule(&mut self, table: &str, chain: &str, expressions: Attributes) {
        let attributes = Attributes::new()
            .string(1, table)
            .string(2, chain)
            .nested(4, expressions);
        self.push(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, attributes);
    }

    fn elements(&mut self, table: &str, set: &str, keys: Vec<Vec<u8>>) {
        if keys.is_empty() {
            return;
        }
        let element = |list: Attributes, key: &Vec<u8>| {
            let key = Attributes::new().nested(1, Attributes::new().bytes(1, key));
            list.nested(LIST_ELEM, key)
        };
        let list = keys.iter().fold(Attributes::new(), element);
        let attributes = Attributes::new()
            .string(1, table)
            .string(2, set)
            .nested(3, list);
        self.push(NEWSETELEM, NLM_F_CREATE, attributes);
    }

    fn commit(mut self) -> io::Result<()> {
        self.boundary(BATCH_END);
        self.requests.send_acknowledged(&self.bytes)
    }

    fn boundary(&mut self, message_type: u16) {
        // `struct nfgenmsg`, whose last field is the subsystem here.
        let [high, low] = SUBSYS_NFTABLES.to_be_bytes();
        let payload = [NFPROTO_UNSPEC, 0, high, low];
        let message = self.requests.message(message_type, NLM_F_REQUEST, &payload);
        self.bytes.extend(message);
    }

    fn push(&mut self, kind: u16, flags: u16, attributes: Attributes) {
        let payload = [&[NFPROTO_INET, 0, 0, 0], attributes.as_bytes()].concat();
        let flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let message = self
            .requests
            .message(SUBSYS_NFTABLES << 8 | kind, flags, &payload);
        self.bytes.extend(message);
    }
}
