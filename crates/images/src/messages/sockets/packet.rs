//! Sockets of packet(7).

use crate::messages::{FownEntry, SkOptsEntry};

/// A packet(7) socket.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PacketSockEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// `SOCK_RAW`, `SOCK_DGRAM` or `SOCK_PACKET`.
    #[prost(uint32, required, tag = "2")]
    pub r#type: u32,
    /// `ETH_P_*`.
    #[prost(uint32, required, tag = "3")]
    pub protocol: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "4")]
    pub flags: u32,
    /// Interface it is bound to; 0 for all.
    #[prost(uint32, required, tag = "5")]
    pub ifindex: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "6")]
    pub fown: FownEntry,
    /// Options that every kind of socket has.
    #[prost(message, required, tag = "7")]
    pub opts: SkOptsEntry,
    /// `PACKET_VERSION`.
    #[prost(uint32, required, tag = "8")]
    pub version: u32,
    /// `PACKET_RESERVE` in bytes.
    #[prost(uint32, required, tag = "9")]
    pub reserve: u32,
    /// `PACKET_AUXDATA`.
    #[prost(bool, required, tag = "10")]
    pub aux_data: bool,
    /// `PACKET_ORIGDEV`.
    #[prost(bool, required, tag = "11")]
    pub orig_dev: bool,
    /// `PACKET_VNET_HDR`.
    #[prost(bool, required, tag = "12")]
    pub vnet_hdr: bool,
    /// `PACKET_LOSS`.
    #[prost(bool, required, tag = "13")]
    pub loss: bool,
    /// `PACKET_TIMESTAMP`.
    #[prost(uint32, required, tag = "14")]
    pub timestamp: u32,
    /// `PACKET_COPY_THRESH`.
    #[prost(uint32, required, tag = "15")]
    pub copy_thresh: u32,
    /// Memberships (`PACKET_ADD_MEMBERSHIP`).
    #[prost(message, repeated, tag = "16")]
    pub mclist: Vec<PacketMclist>,
    /// `PACKET_FANOUT`; all bits set for none.
    #[prost(uint32, optional, tag = "17", default = "4294967295")]
    pub fanout: Option<u32>,
    /// `PACKET_RX_RING`.
    #[prost(message, optional, tag = "18")]
    pub rx_ring: Option<PacketRing>,
    /// `PACKET_TX_RING`.
    #[prost(message, optional, tag = "19")]
    pub tx_ring: Option<PacketRing>,
    /// Id of the network namespace it belongs to.
    #[prost(uint32, optional, tag = "20")]
    pub ns_id: Option<u32>,
}

/// A membership, as `struct packet_mreq`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PacketMclist {
    /// Index of the interface.
    #[prost(uint32, required, tag = "1")]
    pub index: u32,
    /// `PACKET_MR_*`.
    #[prost(uint32, required, tag = "2")]
    pub r#type: u32,
    /// The link-level address.
    #[prost(bytes = "vec", required, tag = "3")]
    pub addr: Vec<u8>,
}

/// A ring, as `struct tpacket_req3`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PacketRing {
    /// Size of a block in bytes.
    #[prost(uint32, required, tag = "1")]
    pub block_size: u32,
    /// Number of blocks.
    #[prost(uint32, required, tag = "2")]
    pub block_nr: u32,
    /// Size of a frame in bytes.
    #[prost(uint32, required, tag = "3")]
    pub frame_size: u32,
    /// Number of frames.
    #[prost(uint32, required, tag = "4")]
    pub frame_nr: u32,
    /// Time after which a block is given up, in milliseconds.
    #[prost(uint32, required, tag = "5")]
    pub retire_tmo: u32,
    /// Size of the private area in bytes.
    #[prost(uint32, required, tag = "6")]
    pub sizeof_priv: u32,
    /// `TP_FT_*` flags.
    #[prost(uint32, required, tag = "7")]
    pub features: u32,
}
