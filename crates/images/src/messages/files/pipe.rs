//! Pipes and named pipes.

use crate::messages::FownEntry;

/// An end of a pipe.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PipeEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Which pipe; both ends have the same (its inode number).
    #[prost(uint32, required, tag = "2")]
    pub pipe_id: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "3")]
    pub flags: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "4")]
    pub fown: FownEntry,
}

/// An open named pipe.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FifoEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Which pipe: data is found by it.
    #[prost(uint32, required, tag = "2")]
    pub pipe_id: u32,
    /// Id of the regular file that stands for its path.
    #[prost(uint32, optional, tag = "3")]
    pub regf_id: Option<u32>,
}

/// What is in a pipe; the bytes follow.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PipeDataEntry {
    /// Which pipe.
    #[prost(uint32, required, tag = "1")]
    pub pipe_id: u32,
    /// Number of bytes that follow.
    #[prost(uint32, required, tag = "2")]
    pub bytes: u32,
    /// Capacity of the pipe in bytes (`F_GETPIPE_SZ`).
    #[prost(uint32, optional, tag = "3")]
    pub size: Option<u32>,
}
