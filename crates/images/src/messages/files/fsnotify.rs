//! inotify and fanotify, and file handles.

use crate::messages::FownEntry;

/// An inotify(7) instance.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InotifyFileEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "4")]
    pub fown: FownEntry,
    /// Its watches.
    #[prost(message, repeated, tag = "5")]
    pub wd: Vec<InotifyWdEntry>,
}

/// A watch, as the fdinfo of the instance shows it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InotifyWdEntry {
    /// Id of the inotify file.
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Inode number of what is watched.
    #[prost(uint64, required, tag = "2")]
    pub i_ino: u64,
    /// Events waited for (`IN_*`).
    #[prost(uint32, required, tag = "3")]
    pub mask: u32,
    /// Events ignored.
    #[prost(uint32, required, tag = "4")]
    pub ignored_mask: u32,
    /// Device of what is watched, in the kernel's encoding.
    #[prost(uint32, required, tag = "5")]
    pub s_dev: u32,
    /// The watch descriptor.
    #[prost(uint32, required, tag = "6")]
    pub wd: u32,
    /// Handle of what is watched.
    #[prost(message, required, tag = "7")]
    pub f_handle: FhEntry,
}

/// A fanotify(7) group.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FanotifyFileEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "3")]
    pub fown: FownEntry,
    /// Flags of fanotify_init(2).
    #[prost(uint32, required, tag = "4")]
    pub faflags: u32,
    /// Its `event_f_flags`.
    #[prost(uint32, required, tag = "5")]
    pub evflags: u32,
    /// Its marks.
    #[prost(message, repeated, tag = "6")]
    pub mark: Vec<FanotifyMarkEntry>,
}

/// A mark, as the fdinfo of the group shows it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FanotifyMarkEntry {
    /// Id of the fanotify file.
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// What is marked, a [`MarkType`].
    #[prost(enumeration = "MarkType", required, tag = "2")]
    pub r#type: i32,
    /// Flags of the mark.
    #[prost(uint32, required, tag = "3")]
    pub mflags: u32,
    /// Events waited for (`FAN_*`).
    #[prost(uint32, required, tag = "4")]
    pub mask: u32,
    /// Events ignored.
    #[prost(uint32, required, tag = "5")]
    pub ignored_mask: u32,
    /// Device of what is marked, in the kernel's encoding.
    #[prost(uint32, required, tag = "6")]
    pub s_dev: u32,
    /// The inode, if one is marked.
    #[prost(message, optional, tag = "7")]
    pub ie: Option<FanotifyInodeMarkEntry>,
    /// The mount, if one is marked.
    #[prost(message, optional, tag = "8")]
    pub me: Option<FanotifyMountMarkEntry>,
}

/// What a fanotify mark is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MarkType {
    /// An inode.
    Inode = 1,
    /// A mount.
    Mount = 2,
}

/// A marked inode.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FanotifyInodeMarkEntry {
    /// Its number.
    #[prost(uint64, required, tag = "1")]
    pub i_ino: u64,
    /// Its handle.
    #[prost(message, required, tag = "2")]
    pub f_handle: FhEntry,
}

/// A marked mount.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FanotifyMountMarkEntry {
    /// Its id.
    #[prost(uint32, required, tag = "1")]
    pub mnt_id: u32,
    /// A path on it.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub path: Option<Vec<u8>>,
}

/// A file handle, see name_to_handle_at(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct FhEntry {
    /// Length of the handle in bytes.
    #[prost(uint32, required, tag = "1")]
    pub bytes: u32,
    /// Type of the handle, which the filesystem chooses.
    #[prost(uint32, required, tag = "2")]
    pub r#type: u32,
    /// The handle, eight bytes to a word, padded with zeros to at least 16 words.
    #[prost(uint64, repeated, packed = "false", tag = "3")]
    pub handle: Vec<u64>,
    /// A path of the file, where the handle cannot be opened.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub path: Option<Vec<u8>>,
    /// Id of the mount.
    #[prost(uint32, optional, tag = "5")]
    pub mnt_id: Option<u32>,
}

/// Which path an inode has, in the service image `irmap-cache`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IrmapCacheEntry {
    /// Device of the file, in the kernel's encoding.
    #[prost(uint32, required, tag = "1")]
    pub dev: u32,
    /// Inode number.
    #[prost(uint64, required, tag = "2")]
    pub inode: u64,
    /// The path.
    #[prost(bytes = "vec", required, tag = "3")]
    pub path: Vec<u8>,
}
