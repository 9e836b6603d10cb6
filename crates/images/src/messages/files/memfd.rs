//! Files of memfd_create(2).

use crate::messages::FownEntry;

/// An open file of memfd_create(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct MemfdFileEntry {
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
    /// Which inode ([`MemfdInodeEntry::inode_id`]).
    #[prost(uint32, required, tag = "5")]
    pub inode_id: u32,
}

/// An inode of memfd_create(2), in `memfd.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MemfdInodeEntry {
    /// Its name, without `/memfd:`.
    #[prost(bytes = "vec", required, tag = "1")]
    pub name: Vec<u8>,
    /// User id.
    #[prost(uint32, required, tag = "2")]
    pub uid: u32,
    /// Group id.
    #[prost(uint32, required, tag = "3")]
    pub gid: u32,
    /// Size in bytes.
    #[prost(uint64, required, tag = "4")]
    pub size: u64,
    /// Number of the pagemap with its contents ([`crate::Image::ShmemPagemap`]).
    #[prost(uint32, required, tag = "5")]
    pub shmid: u32,
    /// Seals (`F_SEAL_*`).
    #[prost(uint32, required, tag = "6")]
    pub seals: u32,
    /// Its id.
    #[prost(uint64, required, tag = "7")]
    pub inode_id: u64,
    /// Flags of memfd_create(2) that choose huge pages.
    #[prost(uint32, optional, tag = "8")]
    pub hugetlb_flag: Option<u32>,
    /// Permission bits.
    #[prost(uint32, optional, tag = "9")]
    pub mode: Option<u32>,
}
