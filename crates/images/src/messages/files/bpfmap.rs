//! BPF maps, see bpf(2).

use crate::messages::FownEntry;

/// A descriptor of a BPF map.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BpfmapFileEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// File offset in bytes.
    #[prost(uint64, required, tag = "3")]
    pub pos: u64,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "4")]
    pub fown: FownEntry,
    /// Type of the map (`BPF_MAP_TYPE_*`).
    #[prost(uint32, required, tag = "5")]
    pub map_type: u32,
    /// Size of a key in bytes.
    #[prost(uint32, required, tag = "6")]
    pub key_size: u32,
    /// Size of a value in bytes.
    #[prost(uint32, required, tag = "7")]
    pub value_size: u32,
    /// Id of the map.
    #[prost(uint32, required, tag = "8")]
    pub map_id: u32,
    /// Most entries it can have.
    #[prost(uint32, required, tag = "9")]
    pub max_entries: u32,
    /// Flags it was made with (`BPF_F_*`).
    #[prost(uint32, required, tag = "10")]
    pub map_flags: u32,
    /// Memory charged, in bytes.
    #[prost(uint64, required, tag = "11")]
    pub memlock: u64,
    /// Whether user space can no longer change it.
    #[prost(bool, required, tag = "12", default = "false")]
    pub frozen: bool,
    /// Name of the map.
    #[prost(bytes = "vec", required, tag = "13")]
    pub map_name: Vec<u8>,
    /// Interface it is offloaded to; 0 for none.
    #[prost(uint32, required, tag = "14")]
    pub ifindex: u32,
    /// Id of the mount it is on, as in [`MntEntry::mnt_id`](crate::messages::MntEntry::mnt_id); -1
    /// when mounts are not saved.
    #[prost(sint32, optional, tag = "15", default = "-1")]
    pub mnt_id: Option<i32>,
    /// Extra settings of the map's type.
    #[prost(uint64, optional, tag = "16")]
    pub map_extra: Option<u64>,
}

/// What is in a BPF map; keys, then values follow.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BpfmapDataEntry {
    /// Which map.
    #[prost(uint32, required, tag = "1")]
    pub map_id: u32,
    /// Length of all keys in bytes.
    #[prost(uint32, required, tag = "2")]
    pub keys_bytes: u32,
    /// Length of all values in bytes.
    #[prost(uint32, required, tag = "3")]
    pub values_bytes: u32,
    /// Number of entries.
    #[prost(uint32, required, tag = "4")]
    pub count: u32,
}
