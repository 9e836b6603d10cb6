//! Sockets of ip(7), ipv6(7), tcp(7), udp(7) and raw(7).

use crate::messages::{FownEntry, SkOptsEntry, SkShutdown};

/// An ip(7) or ipv6(7) socket.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InetSkEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Inode number, also in the name of [`crate::Image::TcpStream`].
    #[prost(uint32, required, tag = "2")]
    pub ino: u32,
    /// `AF_INET` or `AF_INET6`.
    #[prost(uint32, required, tag = "3")]
    pub family: u32,
    /// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_RAW`.
    #[prost(uint32, required, tag = "4")]
    pub r#type: u32,
    /// `IPPROTO_*`.
    #[prost(uint32, required, tag = "5")]
    pub proto: u32,
    /// State of the socket, as `TCP_ESTABLISHED` and its siblings.
    #[prost(uint32, required, tag = "6")]
    pub state: u32,
    /// Local port, host byte order.
    #[prost(uint32, required, tag = "7")]
    pub src_port: u32,
    /// Remote port, host byte order.
    #[prost(uint32, required, tag = "8")]
    pub dst_port: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "9")]
    pub flags: u32,
    /// Length of the queue given to listen(2).
    #[prost(uint32, required, tag = "10")]
    pub backlog: u32,
    /// Local address, one or four words in network byte order.
    #[prost(uint32, repeated, packed = "false", tag = "11")]
    pub src_addr: Vec<u32>,
    /// Remote address, one or four words in network byte order.
    #[prost(uint32, repeated, packed = "false", tag = "12")]
    pub dst_addr: Vec<u32>,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "13")]
    pub fown: FownEntry,
    /// Options that every kind of socket has.
    #[prost(message, required, tag = "14")]
    pub opts: SkOptsEntry,
    /// `IPV6_V6ONLY`.
    #[prost(bool, optional, tag = "15")]
    pub v6only: Option<bool>,
    /// Options of IP.
    #[prost(message, optional, tag = "16")]
    pub ip_opts: Option<IpOptsEntry>,
    /// Interface of a link-local address.
    #[prost(bytes = "vec", optional, tag = "17")]
    pub ifname: Option<Vec<u8>>,
    /// Id of the network namespace it belongs to.
    #[prost(uint32, optional, tag = "18")]
    pub ns_id: Option<u32>,
    /// Which directions are shut down, a [`SkShutdown`].
    #[prost(enumeration = "SkShutdown", optional, tag = "19")]
    pub shutdown: Option<i32>,
    /// Options of TCP.
    #[prost(message, optional, tag = "20")]
    pub tcp_opts: Option<TcpOptsEntry>,
}

/// Options of IP, see ip(7).
#[derive(Clone, PartialEq, prost::Message)]
pub struct IpOptsEntry {
    /// `IP_FREEBIND`.
    #[prost(bool, optional, tag = "1")]
    pub freebind: Option<bool>,
    /// Options of a raw socket.
    #[prost(message, optional, tag = "4")]
    pub raw: Option<IpOptsRawEntry>,
    /// `IP_PKTINFO`.
    #[prost(bool, optional, tag = "5")]
    pub pktinfo: Option<bool>,
    /// `IP_TOS`.
    #[prost(uint32, optional, tag = "6")]
    pub tos: Option<u32>,
    /// `IP_TTL`.
    #[prost(uint32, optional, tag = "7")]
    pub ttl: Option<u32>,
}

/// Options of a raw socket, see raw(7).
#[derive(Clone, PartialEq, prost::Message)]
pub struct IpOptsRawEntry {
    /// `IP_HDRINCL`.
    #[prost(bool, optional, tag = "1")]
    pub hdrincl: Option<bool>,
    /// `IP_NODEFRAG`.
    #[prost(bool, optional, tag = "2")]
    pub nodefrag: Option<bool>,
    /// `IPV6_CHECKSUM`.
    #[prost(bool, optional, tag = "3")]
    pub checksum: Option<bool>,
    /// `ICMP_FILTER` or `ICMP6_FILTER`, one or eight words.
    #[prost(uint32, repeated, packed = "false", tag = "4")]
    pub icmpv_filter: Vec<u32>,
}

/// Options of TCP, see tcp(7).
#[derive(Clone, PartialEq, prost::Message)]
pub struct TcpOptsEntry {
    /// `TCP_CORK`.
    #[prost(bool, optional, tag = "1")]
    pub cork: Option<bool>,
    /// `TCP_NODELAY`.
    #[prost(bool, optional, tag = "2")]
    pub nodelay: Option<bool>,
    /// `TCP_KEEPCNT`.
    #[prost(uint32, optional, tag = "3")]
    pub keepcnt: Option<u32>,
    /// `TCP_KEEPIDLE` in seconds.
    #[prost(uint32, optional, tag = "4")]
    pub keepidle: Option<u32>,
    /// `TCP_KEEPINTVL` in seconds.
    #[prost(uint32, optional, tag = "5")]
    pub keepintvl: Option<u32>,
}

/// A TCP connection, as `TCP_REPAIR` gives it; the receive queue, then the send queue follow.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TcpStreamEntry {
    /// Bytes in the receive queue.
    #[prost(uint32, required, tag = "1")]
    pub inq_len: u32,
    /// Sequence number at the end of the receive queue.
    #[prost(uint32, required, tag = "2")]
    pub inq_seq: u32,
    /// Bytes in the send queue.
    #[prost(uint32, required, tag = "3")]
    pub outq_len: u32,
    /// Sequence number at the end of the send queue.
    #[prost(uint32, required, tag = "4")]
    pub outq_seq: u32,
    /// Options agreed on (`TCPI_OPT_*`).
    #[prost(uint32, required, tag = "5")]
    pub opt_mask: u32,
    /// Window scale of the peer.
    #[prost(uint32, required, tag = "6")]
    pub snd_wscale: u32,
    /// Largest segment the peer accepts, in bytes.
    #[prost(uint32, required, tag = "7")]
    pub mss_clamp: u32,
    /// Window scale of this side.
    #[prost(uint32, optional, tag = "8")]
    pub rcv_wscale: Option<u32>,
    /// `TCP_TIMESTAMP`.
    #[prost(uint32, optional, tag = "9")]
    pub timestamp: Option<u32>,
    /// `TCP_CORK`; replaced by [`TcpOptsEntry::cork`].
    #[prost(bool, optional, tag = "10")]
    pub cork: Option<bool>,
    /// `TCP_NODELAY`; replaced by [`TcpOptsEntry::nodelay`].
    #[prost(bool, optional, tag = "11")]
    pub nodelay: Option<bool>,
    /// Bytes at the end of the send queue that were not sent yet.
    #[prost(uint32, optional, tag = "12")]
    pub unsq_len: Option<u32>,
    /// `snd_wl1` of `struct tcp_repair_window`.
    #[prost(uint32, optional, tag = "13")]
    pub snd_wl1: Option<u32>,
    /// `snd_wnd` of `struct tcp_repair_window`.
    #[prost(uint32, optional, tag = "14")]
    pub snd_wnd: Option<u32>,
    /// `max_window` of `struct tcp_repair_window`.
    #[prost(uint32, optional, tag = "15")]
    pub max_window: Option<u32>,
    /// `rcv_wnd` of `struct tcp_repair_window`.
    #[prost(uint32, optional, tag = "16")]
    pub rcv_wnd: Option<u32>,
    /// `rcv_wup` of `struct tcp_repair_window`.
    #[prost(uint32, optional, tag = "17")]
    pub rcv_wup: Option<u32>,
}
