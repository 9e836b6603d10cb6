//! Sockets of netlink(7).

use crate::messages::{FownEntry, SkOptsEntry};

/// A netlink(7) socket.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NetlinkSkEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Inode number.
    #[prost(uint32, required, tag = "2")]
    pub ino: u32,
    /// `NETLINK_*`.
    #[prost(uint32, required, tag = "3")]
    pub protocol: u32,
    /// State of the socket, as `TCP_ESTABLISHED` and its siblings.
    #[prost(uint32, required, tag = "4")]
    pub state: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "6")]
    pub flags: u32,
    /// Its port.
    #[prost(uint32, required, tag = "7")]
    pub portid: u32,
    /// Multicast groups, 32 to a word.
    #[prost(uint32, repeated, packed = "false", tag = "8")]
    pub groups: Vec<u32>,
    /// Port it is connected to; 0 is the kernel.
    #[prost(uint32, required, tag = "9")]
    pub dst_portid: u32,
    /// Multicast group it is connected to.
    #[prost(uint32, required, tag = "10")]
    pub dst_group: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "11")]
    pub fown: FownEntry,
    /// Options that every kind of socket has.
    #[prost(message, required, tag = "12")]
    pub opts: SkOptsEntry,
    /// Id of the network namespace it belongs to.
    #[prost(uint32, optional, tag = "13")]
    pub ns_id: Option<u32>,
}
