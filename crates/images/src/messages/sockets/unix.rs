//! Sockets of unix(7).

use crate::messages::{FownEntry, SkOptsEntry, SkShutdown};

/// A unix(7) socket.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UnixSkEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Inode number.
    #[prost(uint32, required, tag = "2")]
    pub ino: u32,
    /// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_SEQPACKET`.
    #[prost(uint32, required, tag = "3")]
    pub r#type: u32,
    /// State of the socket, as `TCP_ESTABLISHED` and its siblings.
    #[prost(uint32, required, tag = "4")]
    pub state: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "5")]
    pub flags: u32,
    /// What is special about it: outside the tree (1), CRIU's own service (2), left to a plugin
    /// (4), inherited (8).
    #[prost(uint32, required, tag = "6")]
    pub uflags: u32,
    /// Length of the queue given to listen(2).
    #[prost(uint32, required, tag = "7")]
    pub backlog: u32,
    /// Inode number of the peer; 0 for none.
    #[prost(uint32, required, tag = "8")]
    pub peer: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "9")]
    pub fown: FownEntry,
    /// Options that every kind of socket has.
    #[prost(message, required, tag = "10")]
    pub opts: SkOptsEntry,
    /// The address as bound: a path with its final zero, or a zero and an abstract name. Empty when
    /// it is not bound.
    #[prost(bytes = "vec", required, tag = "11")]
    pub name: Vec<u8>,
    /// Which directions are shut down, a [`SkShutdown`].
    #[prost(enumeration = "SkShutdown", optional, tag = "12")]
    pub shutdown: Option<i32>,
    /// Owner and permissions of the path.
    #[prost(message, optional, tag = "13")]
    pub file_perms: Option<FilePermsEntry>,
    /// Directory that a relative path starts from.
    #[prost(bytes = "vec", optional, tag = "14")]
    pub name_dir: Option<Vec<u8>>,
    /// Whether the path is gone.
    #[prost(bool, optional, tag = "15")]
    pub deleted: Option<bool>,
    /// Id of the network namespace it belongs to.
    #[prost(uint32, optional, tag = "16")]
    pub ns_id: Option<u32>,
    /// Id of the mount it is on, as in [`MntEntry::mnt_id`](crate::messages::MntEntry::mnt_id); -1
    /// when mounts are not saved.
    #[prost(sint32, optional, tag = "17", default = "-1")]
    pub mnt_id: Option<i32>,
}

/// Owner and permissions of a path.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FilePermsEntry {
    /// Type and permission bits, as `st_mode`.
    #[prost(uint32, required, tag = "1")]
    pub mode: u32,
    /// User id.
    #[prost(uint32, required, tag = "2")]
    pub uid: u32,
    /// Group id.
    #[prost(uint32, required, tag = "3")]
    pub gid: u32,
}
