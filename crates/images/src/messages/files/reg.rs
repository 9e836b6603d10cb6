//! Files with a path, and what stands in for a path that is gone.

use crate::messages::{FownEntry, Timeval};

/// A file with a path.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RegFileEntry {
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
    #[prost(message, required, tag = "5")]
    pub fown: FownEntry,
    /// The path, from the root of its mount namespace.
    #[prost(bytes = "vec", required, tag = "6")]
    pub name: Vec<u8>,
    /// Id of the mount it is on, or -1 for the root task's.
    #[prost(sint32, optional, tag = "7", default = "-1")]
    pub mnt_id: Option<i32>,
    /// Size in bytes at the dump, which the restore compares.
    #[prost(uint64, optional, tag = "8")]
    pub size: Option<u64>,
    /// Whether a plugin saves it.
    #[prost(bool, optional, tag = "9")]
    pub ext: Option<bool>,
    /// Type and permission bits, which the restore compares.
    #[prost(uint32, optional, tag = "10")]
    pub mode: Option<u32>,
    /// Build id of an ELF file, which the restore compares.
    #[prost(uint32, repeated, packed = "false", tag = "11")]
    pub build_id: Vec<u32>,
    /// CRC32C of the file, which the restore compares.
    #[prost(uint32, optional, tag = "12")]
    pub checksum: Option<u32>,
    /// Which bytes the checksum covers.
    #[prost(uint32, optional, tag = "13")]
    pub checksum_config: Option<u32>,
    /// The parameter of that choice.
    #[prost(uint32, optional, tag = "14")]
    pub checksum_parameter: Option<u32>,
}

/// A file that a plugin saves.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExtFileEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "5")]
    pub fown: FownEntry,
}

/// Says that the path of a file is gone and what to open in its place.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RemapFilePathEntry {
    /// Id of the file whose path is gone.
    #[prost(uint32, required, tag = "1")]
    pub orig_id: u32,
    /// Id of what takes its place: a file, a ghost file, or a task.
    #[prost(uint32, required, tag = "2")]
    pub remap_id: u32,
    /// A [`RemapType`]; without it the top bit of `remap_id` tells a ghost from a link.
    #[prost(enumeration = "RemapType", optional, tag = "3")]
    pub remap_type: Option<i32>,
}

/// What takes the place of a path that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RemapType {
    /// Another name of the same file, a link that the dumper made.
    Linked = 0,
    /// A copy in a ghost image ([`crate::Image::GhostFile`]).
    Ghost = 1,
    /// The `/proc` directory of a task that is dead.
    Procfs = 2,
}

/// A deleted file, first in its ghost image; its contents follow.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GhostFileEntry {
    /// User id.
    #[prost(uint32, required, tag = "1")]
    pub uid: u32,
    /// Group id.
    #[prost(uint32, required, tag = "2")]
    pub gid: u32,
    /// Type and permission bits, as `st_mode`.
    #[prost(uint32, required, tag = "3")]
    pub mode: u32,
    /// Device number of its filesystem, in the kernel's encoding.
    #[prost(uint32, optional, tag = "4")]
    pub dev: Option<u32>,
    /// Inode number.
    #[prost(uint64, optional, tag = "5")]
    pub ino: Option<u64>,
    /// Device number it stands for, if it is a device.
    #[prost(uint32, optional, tag = "6")]
    pub rdev: Option<u32>,
    /// Time of last access.
    #[prost(message, optional, tag = "7")]
    pub atim: Option<Timeval>,
    /// Time of last modification.
    #[prost(message, optional, tag = "8")]
    pub mtim: Option<Timeval>,
    /// Whether the contents come as [`GhostChunkEntry`] with data, leaving holes.
    #[prost(bool, optional, tag = "9")]
    pub chunks: Option<bool>,
    /// Size in bytes, when it comes in chunks.
    #[prost(uint64, optional, tag = "10")]
    pub size: Option<u64>,
    /// Where it leads, if it is a symbolic link.
    #[prost(bytes = "vec", optional, tag = "11")]
    pub symlnk_target: Option<Vec<u8>>,
}

/// A piece of a ghost file; its data follows.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GhostChunkEntry {
    /// Length in bytes.
    #[prost(uint64, required, tag = "1")]
    pub len: u64,
    /// Offset in the file in bytes.
    #[prost(uint64, required, tag = "2")]
    pub off: u64,
}
