//! Sockets: what all kinds have, and one module per family.

mod inet;
mod netlink;
mod packet;
mod unix;

pub use inet::*;
pub use netlink::*;
pub use packet::*;
pub use unix::*;

/// Options that every kind of socket has, see socket(7).
#[derive(Clone, PartialEq, prost::Message)]
pub struct SkOptsEntry {
    /// `SO_SNDBUF` in bytes, as getsockopt(2) gives it.
    #[prost(uint32, required, tag = "1")]
    pub so_sndbuf: u32,
    /// `SO_RCVBUF` in bytes, as getsockopt(2) gives it.
    #[prost(uint32, required, tag = "2")]
    pub so_rcvbuf: u32,
    /// `SO_SNDTIMEO`, seconds.
    #[prost(uint64, required, tag = "3")]
    pub so_snd_tmo_sec: u64,
    /// `SO_SNDTIMEO`, microseconds.
    #[prost(uint64, required, tag = "4")]
    pub so_snd_tmo_usec: u64,
    /// `SO_RCVTIMEO`, seconds.
    #[prost(uint64, required, tag = "5")]
    pub so_rcv_tmo_sec: u64,
    /// `SO_RCVTIMEO`, microseconds.
    #[prost(uint64, required, tag = "6")]
    pub so_rcv_tmo_usec: u64,
    /// `SO_REUSEADDR`.
    #[prost(bool, optional, tag = "7")]
    pub reuseaddr: Option<bool>,
    /// `SO_PRIORITY`.
    #[prost(uint32, optional, tag = "8")]
    pub so_priority: Option<u32>,
    /// `SO_RCVLOWAT` in bytes.
    #[prost(uint32, optional, tag = "9")]
    pub so_rcvlowat: Option<u32>,
    /// `SO_MARK`.
    #[prost(uint32, optional, tag = "10")]
    pub so_mark: Option<u32>,
    /// `SO_PASSCRED`.
    #[prost(bool, optional, tag = "11")]
    pub so_passcred: Option<bool>,
    /// `SO_PASSSEC`.
    #[prost(bool, optional, tag = "12")]
    pub so_passsec: Option<bool>,
    /// `SO_DONTROUTE`.
    #[prost(bool, optional, tag = "13")]
    pub so_dontroute: Option<bool>,
    /// `SO_NO_CHECK`.
    #[prost(bool, optional, tag = "14")]
    pub so_no_check: Option<bool>,
    /// `SO_BINDTODEVICE`, the name.
    #[prost(bytes = "vec", optional, tag = "15")]
    pub so_bound_dev: Option<Vec<u8>>,
    /// `SO_ATTACH_FILTER`: one `struct sock_filter` to a word, with `code` in the top 16 bits, then
    /// `jt`, `jf` and `k`.
    #[prost(fixed64, repeated, packed = "false", tag = "16")]
    pub so_filter: Vec<u64>,
    /// `SO_REUSEPORT`.
    #[prost(bool, optional, tag = "17")]
    pub so_reuseport: Option<bool>,
    /// `SO_BROADCAST`.
    #[prost(bool, optional, tag = "18")]
    pub so_broadcast: Option<bool>,
    /// `SO_KEEPALIVE`.
    #[prost(bool, optional, tag = "19")]
    pub so_keepalive: Option<bool>,
    /// `TCP_KEEPCNT`; replaced by
    /// [`TcpOptsEntry::keepcnt`](crate::messages::TcpOptsEntry::keepcnt).
    #[prost(uint32, optional, tag = "20")]
    pub tcp_keepcnt: Option<u32>,
    /// `TCP_KEEPIDLE` in seconds; replaced by
    /// [`TcpOptsEntry::keepidle`](crate::messages::TcpOptsEntry::keepidle).
    #[prost(uint32, optional, tag = "21")]
    pub tcp_keepidle: Option<u32>,
    /// `TCP_KEEPINTVL` in seconds; replaced by
    /// [`TcpOptsEntry::keepintvl`](crate::messages::TcpOptsEntry::keepintvl).
    #[prost(uint32, optional, tag = "22")]
    pub tcp_keepintvl: Option<u32>,
    /// `SO_OOBINLINE`.
    #[prost(uint32, optional, tag = "23")]
    pub so_oobinline: Option<u32>,
    /// `SO_LINGER` in seconds, when it is on.
    #[prost(uint32, optional, tag = "24")]
    pub so_linger: Option<u32>,
    /// `SO_BUF_LOCK`.
    #[prost(uint32, optional, tag = "25")]
    pub so_buf_lock: Option<u32>,
}

/// Which directions of a socket are shut down, see shutdown(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SkShutdown {
    /// Neither.
    None = 0,
    /// Receiving.
    Read = 1,
    /// Sending.
    Write = 2,
    /// Both.
    Both = 3,
}

/// A packet in a socket's queue, in `sk-queues.img`; its bytes follow.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SkPacketEntry {
    /// Id of the socket that will receive it
    /// ([`UnixSkEntry::id`](crate::messages::UnixSkEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id_for: u32,
    /// Number of bytes that follow.
    #[prost(uint32, required, tag = "2")]
    pub length: u32,
    /// Ancillary data.
    #[prost(message, repeated, tag = "4")]
    pub scm: Vec<ScmEntry>,
}

/// Ancillary data of a packet, see cmsg(3).
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScmEntry {
    /// Type (`SCM_RIGHTS`).
    #[prost(uint32, required, tag = "1")]
    pub r#type: u32,
    /// Ids of the files in it.
    #[prost(uint32, repeated, packed = "false", tag = "2")]
    pub rights: Vec<u32>,
}
