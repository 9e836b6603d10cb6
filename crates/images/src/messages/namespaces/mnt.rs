//! Mounts, see mount_namespaces(7).

/// A mount, as `/proc/PID/mountinfo` shows it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MntEntry {
    /// Filesystem, an [`FsType`].
    #[prost(uint32, required, tag = "1")]
    pub fstype: u32,
    /// Id of the mount.
    #[prost(uint32, required, tag = "2")]
    pub mnt_id: u32,
    /// Device number of the filesystem, in the kernel's encoding.
    #[prost(uint32, required, tag = "3")]
    pub root_dev: u32,
    /// Id of the mount it is on.
    #[prost(uint32, required, tag = "4")]
    pub parent_mnt_id: u32,
    /// Flags of the mount (`MS_*`).
    #[prost(uint32, required, tag = "5")]
    pub flags: u32,
    /// Which directory of the filesystem is mounted.
    #[prost(bytes = "vec", required, tag = "6")]
    pub root: Vec<u8>,
    /// Where it is mounted.
    #[prost(bytes = "vec", required, tag = "7")]
    pub mountpoint: Vec<u8>,
    /// What is mounted.
    #[prost(bytes = "vec", required, tag = "8")]
    pub source: Vec<u8>,
    /// Options of the filesystem.
    #[prost(bytes = "vec", required, tag = "9")]
    pub options: Vec<u8>,
    /// Peer group it shares events with.
    #[prost(uint32, optional, tag = "10")]
    pub shared_id: Option<u32>,
    /// Peer group it receives events from.
    #[prost(uint32, optional, tag = "11")]
    pub master_id: Option<u32>,
    /// Whether a plugin saves it.
    #[prost(bool, optional, tag = "12")]
    pub with_plugin: Option<bool>,
    /// Whether it is given from outside.
    #[prost(bool, optional, tag = "13")]
    pub ext_mount: Option<bool>,
    /// Name of the filesystem, with [`FsType::Auto`].
    #[prost(bytes = "vec", optional, tag = "14")]
    pub fsname: Option<Vec<u8>>,
    /// Whether peers are found among the saved mounts.
    #[prost(bool, optional, tag = "15")]
    pub internal_sharing: Option<bool>,
    /// Whether the mounted directory was deleted.
    #[prost(bool, optional, tag = "16")]
    pub deleted: Option<bool>,
    /// Flags of the filesystem (`MS_*`).
    #[prost(uint32, optional, tag = "17")]
    pub sb_flags: Option<u32>,
    /// The key under which the user gave it from outside (`--external`).
    #[prost(string, optional, tag = "18")]
    pub ext_key: Option<String>,
}

/// Filesystems that are treated each in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum FsType {
    /// Another one.
    Unsupported = 0,
    /// proc.
    Proc = 1,
    /// sysfs.
    Sysfs = 2,
    /// devtmpfs.
    Devtmpfs = 3,
    /// binfmt_misc.
    BinfmtMisc = 4,
    /// tmpfs.
    Tmpfs = 5,
    /// devpts.
    Devpts = 6,
    /// simfs, of OpenVZ.
    Simfs = 7,
    /// pstore.
    Pstore = 8,
    /// securityfs.
    Securityfs = 9,
    /// fusectl.
    Fusectl = 10,
    /// debugfs.
    Debugfs = 11,
    /// cgroup, version 1.
    Cgroup = 12,
    /// aufs.
    Aufs = 13,
    /// mqueue.
    Mqueue = 14,
    /// fuse.
    Fuse = 15,
    /// Any that the user named (`--enable-fs`).
    Auto = 16,
    /// overlay.
    Overlayfs = 17,
    /// autofs.
    Autofs = 18,
    /// tracefs.
    Tracefs = 19,
    /// cgroup2.
    Cgroup2 = 23,
}

/// An autofs mount.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AutofsEntry {
    /// The daemon's end of the pipe, a descriptor; -1 for none.
    #[prost(int32, required, tag = "1")]
    pub fd: i32,
    /// Process group of the daemon.
    #[prost(int32, required, tag = "2")]
    pub pgrp: i32,
    /// After how long it unmounts, in seconds.
    #[prost(int32, required, tag = "3")]
    pub timeout: i32,
    /// Lowest protocol version.
    #[prost(int32, required, tag = "4")]
    pub minproto: i32,
    /// Highest protocol version.
    #[prost(int32, required, tag = "5")]
    pub maxproto: i32,
    /// Kind of mount: direct, indirect or offset.
    #[prost(int32, required, tag = "6")]
    pub mode: i32,
    /// User id.
    #[prost(int32, optional, tag = "7")]
    pub uid: Option<i32>,
    /// Group id.
    #[prost(int32, optional, tag = "8")]
    pub gid: Option<i32>,
    /// The end that the daemon reads.
    #[prost(int32, optional, tag = "9")]
    pub read_fd: Option<i32>,
}

/// A registration in binfmt_misc, as its file shows it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BinfmtMiscEntry {
    /// Its name.
    #[prost(bytes = "vec", required, tag = "1")]
    pub name: Vec<u8>,
    /// Whether it is in force.
    #[prost(bool, required, tag = "2")]
    pub enabled: bool,
    /// Path of the interpreter.
    #[prost(bytes = "vec", required, tag = "3")]
    pub interpreter: Vec<u8>,
    /// Flags.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub flags: Option<Vec<u8>>,
    /// File name extension to recognise.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub extension: Option<Vec<u8>>,
    /// Bytes to recognise, in hexadecimal.
    #[prost(bytes = "vec", optional, tag = "6")]
    pub magic: Option<Vec<u8>>,
    /// Mask for these bytes, in hexadecimal.
    #[prost(bytes = "vec", optional, tag = "7")]
    pub mask: Option<Vec<u8>>,
    /// Where these bytes are.
    #[prost(int32, optional, tag = "8")]
    pub offset: Option<i32>,
}
