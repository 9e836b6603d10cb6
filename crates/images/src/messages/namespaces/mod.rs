//! Namespaces, see namespaces(7); the larger ones have modules of their own.

mod ipc;
mod mnt;
mod net;

pub use ipc::*;
pub use mnt::*;
pub use net::*;

use crate::messages::Timespec;

/// An open namespace, as `/proc/PID/ns/*`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NsFileEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Which namespace, an id of [`TaskKobjIdsEntry`](crate::messages::TaskKobjIdsEntry).
    #[prost(uint32, required, tag = "2")]
    pub ns_id: u32,
    /// Its kind (`CLONE_NEW*`).
    #[prost(uint32, required, tag = "3")]
    pub ns_cflag: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "4")]
    pub flags: u32,
}

/// A UTS namespace.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UtsnsEntry {
    /// Host name.
    #[prost(bytes = "vec", required, tag = "1")]
    pub nodename: Vec<u8>,
    /// NIS domain name.
    #[prost(bytes = "vec", required, tag = "2")]
    pub domainname: Vec<u8>,
}

/// A user namespace.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UsernsEntry {
    /// `/proc/PID/uid_map`.
    #[prost(message, repeated, tag = "1")]
    pub uid_map: Vec<UidGidExtent>,
    /// `/proc/PID/gid_map`.
    #[prost(message, repeated, tag = "2")]
    pub gid_map: Vec<UidGidExtent>,
}

/// One line of an id map, see user_namespaces(7).
#[derive(Clone, PartialEq, prost::Message)]
pub struct UidGidExtent {
    /// First id inside.
    #[prost(uint32, required, tag = "1")]
    pub first: u32,
    /// First id outside.
    #[prost(uint32, required, tag = "2")]
    pub lower_first: u32,
    /// Number of ids.
    #[prost(uint32, required, tag = "3")]
    pub count: u32,
}

/// A time namespace: what its clocks showed at the dump.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TimensEntry {
    /// `CLOCK_MONOTONIC`.
    #[prost(message, required, tag = "1")]
    pub monotonic: Timespec,
    /// `CLOCK_BOOTTIME`.
    #[prost(message, required, tag = "2")]
    pub boottime: Timespec,
}

/// A PID namespace.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PidnsEntry {
    /// The key under which the user gave it from outside (`--external`).
    #[prost(string, optional, tag = "1")]
    pub ext_key: Option<String>,
}
