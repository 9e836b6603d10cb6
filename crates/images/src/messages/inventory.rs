//! `inventory.img`: what the whole image set is. And the protocol of CRIU's image streamer.

use crate::messages::TaskKobjIdsEntry;

/// The head of an image set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InventoryEntry {
    /// Version of the format: [`IMG_VERSION`].
    #[prost(uint32, required, tag = "1")]
    pub img_version: u32,
    /// Whether descriptor tables are named by their id rather than by pid.
    #[prost(bool, optional, tag = "2")]
    pub fdinfo_per_id: Option<bool>,
    /// What CRIU itself (the dumper) shares, to know which namespaces are the host's.
    #[prost(message, optional, tag = "3")]
    pub root_ids: Option<TaskKobjIdsEntry>,
    /// Whether namespace images are named by the namespace's id.
    #[prost(bool, optional, tag = "4")]
    pub ns_per_id: Option<bool>,
    /// Id of the control groups the dumper was in.
    #[prost(uint32, optional, tag = "5")]
    pub root_cg_set: Option<u32>,
    /// The security module in use, a [`LsmType`].
    #[prost(enumeration = "LsmType", optional, tag = "6")]
    pub lsmtype: Option<i32>,
    /// Uptime of the machine at the dump, in microseconds.
    #[prost(uint64, optional, tag = "8")]
    pub dump_uptime: Option<u64>,
    /// How a pre-dump read pages: 1 by splicing, 2 by process_vm_readv(2).
    #[prost(uint32, optional, tag = "9")]
    pub pre_dump_mode: Option<u32>,
    /// Whether TCP connections come back closed.
    #[prost(bool, optional, tag = "10")]
    pub tcp_close: Option<bool>,
    /// How the network was locked: 0 by iptables, 1 by nftables, 2 not at all.
    #[prost(uint32, optional, tag = "11")]
    pub network_lock_method: Option<u32>,
    /// The plugins that took part.
    #[prost(message, optional, tag = "12")]
    pub plugins_entry: Option<PluginsEntry>,
    /// A name for this run of the dumper, also in its network rules.
    #[prost(string, optional, tag = "13")]
    pub dump_criu_run_id: Option<String>,
    /// Whether the tasks may have uprobes mappings.
    #[prost(bool, optional, tag = "14")]
    pub allow_uprobes: Option<bool>,
}

/// A list of plugins, so that an empty one can be told from none.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PluginsEntry {
    /// Their names.
    #[prost(string, repeated, tag = "12")]
    pub plugins: Vec<String>,
}

/// A Linux security module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum LsmType {
    /// None.
    NoLsm = 0,
    /// SELinux.
    Selinux = 1,
    /// AppArmor.
    Apparmor = 2,
}

/// Asks an image streamer for a file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ImgStreamerRequestEntry {
    /// The file's name.
    #[prost(string, required, tag = "1")]
    pub filename: String,
}

/// An image streamer's answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ImgStreamerReplyEntry {
    /// Whether it has the file.
    #[prost(bool, required, tag = "1")]
    pub exists: bool,
}

/// The version of the format that is read and written here, 1.1 ([`InventoryEntry::img_version`]).
pub const IMG_VERSION: u32 = 2;
