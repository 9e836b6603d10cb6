//! System V IPC, see sysvipc(7).

/// Key, owner and permissions of an IPC object, as `struct ipc_perm`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IpcDescEntry {
    /// Its key.
    #[prost(uint32, required, tag = "1")]
    pub key: u32,
    /// User id.
    #[prost(uint32, required, tag = "2")]
    pub uid: u32,
    /// Group id.
    #[prost(uint32, required, tag = "3")]
    pub gid: u32,
    /// User id of the creator.
    #[prost(uint32, required, tag = "4")]
    pub cuid: u32,
    /// Group id of the creator.
    #[prost(uint32, required, tag = "5")]
    pub cgid: u32,
    /// Permission bits.
    #[prost(uint32, required, tag = "6")]
    pub mode: u32,
    /// Its id.
    #[prost(uint32, required, tag = "7")]
    pub id: u32,
}

/// Limits of an IPC namespace, named after the files in `/proc/sys/kernel` and
/// `/proc/sys/fs/mqueue`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IpcVarEntry {
    /// `sem`, four values.
    #[prost(uint32, repeated, packed = "false", tag = "1")]
    pub sem_ctls: Vec<u32>,
    /// `msgmax` in bytes.
    #[prost(uint32, required, tag = "2")]
    pub msg_ctlmax: u32,
    /// `msgmnb` in bytes.
    #[prost(uint32, required, tag = "3")]
    pub msg_ctlmnb: u32,
    /// `msgmni`.
    #[prost(uint32, required, tag = "4")]
    pub msg_ctlmni: u32,
    /// `auto_msgmni`.
    #[prost(uint32, required, tag = "5")]
    pub auto_msgmni: u32,
    /// `shmmax` in bytes.
    #[prost(uint64, required, tag = "6")]
    pub shm_ctlmax: u64,
    /// `shmall` in pages.
    #[prost(uint64, required, tag = "7")]
    pub shm_ctlall: u64,
    /// `shmmni`.
    #[prost(uint32, required, tag = "8")]
    pub shm_ctlmni: u32,
    /// `shm_rmid_forced`.
    #[prost(uint32, required, tag = "9")]
    pub shm_rmid_forced: u32,
    /// `queues_max`.
    #[prost(uint32, required, tag = "10")]
    pub mq_queues_max: u32,
    /// `msg_max`.
    #[prost(uint32, required, tag = "11")]
    pub mq_msg_max: u32,
    /// `msgsize_max` in bytes.
    #[prost(uint32, required, tag = "12")]
    pub mq_msgsize_max: u32,
    /// `msg_default`.
    #[prost(uint32, optional, tag = "13")]
    pub mq_msg_default: Option<u32>,
    /// `msgsize_default` in bytes.
    #[prost(uint32, optional, tag = "14")]
    pub mq_msgsize_default: Option<u32>,
    /// `msg_next_id`.
    #[prost(uint32, optional, tag = "15")]
    pub msg_next_id: Option<u32>,
    /// `sem_next_id`.
    #[prost(uint32, optional, tag = "16")]
    pub sem_next_id: Option<u32>,
    /// `shm_next_id`.
    #[prost(uint32, optional, tag = "17")]
    pub shm_next_id: Option<u32>,
}

/// A shared memory segment.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IpcShmEntry {
    /// Key, owner and permissions.
    #[prost(message, required, tag = "1")]
    pub desc: IpcDescEntry,
    /// Size in bytes.
    #[prost(uint64, required, tag = "2")]
    pub size: u64,
    /// Whether its contents are in a pages image; otherwise they follow.
    #[prost(bool, optional, tag = "3")]
    pub in_pagemaps: Option<bool>,
    /// Flags of shmget(2) that choose huge pages.
    #[prost(uint32, optional, tag = "4")]
    pub hugetlb_flag: Option<u32>,
}

/// A message queue; its messages follow, each an [`IpcMsg`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct IpcMsgEntry {
    /// Key, owner and permissions.
    #[prost(message, required, tag = "1")]
    pub desc: IpcDescEntry,
    /// Most bytes it may hold.
    #[prost(uint32, required, tag = "2")]
    pub qbytes: u32,
    /// Number of messages.
    #[prost(uint32, required, tag = "3")]
    pub qnum: u32,
}

/// A message in a queue; its text follows.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IpcMsg {
    /// Its type.
    #[prost(uint64, required, tag = "1")]
    pub mtype: u64,
    /// Length of its text in bytes.
    #[prost(uint32, required, tag = "2")]
    pub msize: u32,
}

/// A semaphore set; the values follow, a `u16` each.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IpcSemEntry {
    /// Key, owner and permissions.
    #[prost(message, required, tag = "1")]
    pub desc: IpcDescEntry,
    /// Number of semaphores.
    #[prost(uint32, required, tag = "2")]
    pub nsems: u32,
}
