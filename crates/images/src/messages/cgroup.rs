//! Control groups, see cgroups(7).

/// Control groups and who is in them, in `cgroup.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CgroupEntry {
    /// Every combination of groups that a task is in.
    #[prost(message, repeated, tag = "1")]
    pub sets: Vec<CgSetEntry>,
    /// The hierarchies with their directories.
    #[prost(message, repeated, tag = "2")]
    pub controllers: Vec<CgControllerEntry>,
}

/// One combination of groups.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CgSetEntry {
    /// Its id.
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// One group per hierarchy.
    #[prost(message, repeated, tag = "2")]
    pub ctls: Vec<CgMemberEntry>,
}

/// Membership in one hierarchy.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CgMemberEntry {
    /// Name of the hierarchy: controllers, or `name=...`; empty for version 2.
    #[prost(bytes = "vec", required, tag = "1")]
    pub name: Vec<u8>,
    /// Path of the group in it.
    #[prost(bytes = "vec", required, tag = "2")]
    pub path: Vec<u8>,
    /// How many bytes of the path are the root of a cgroup namespace.
    #[prost(uint32, optional, tag = "3")]
    pub cgns_prefix: Option<u32>,
}

/// One hierarchy.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CgControllerEntry {
    /// Names of its controllers.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub cnames: Vec<Vec<u8>>,
    /// Directories at its top.
    #[prost(message, repeated, tag = "2")]
    pub dirs: Vec<CgroupDirEntry>,
    /// Whether threads may be in groups other than their task's.
    #[prost(bool, optional, tag = "3")]
    pub is_threaded: Option<bool>,
}

/// One group as a directory.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CgroupDirEntry {
    /// Its path, or for a child its name below its parent.
    #[prost(bytes = "vec", required, tag = "1")]
    pub dir_name: Vec<u8>,
    /// Groups below it.
    #[prost(message, repeated, tag = "2")]
    pub children: Vec<CgroupDirEntry>,
    /// Settings that are not the default.
    #[prost(message, repeated, tag = "3")]
    pub properties: Vec<CgroupPropEntry>,
    /// Owner and permissions of the directory.
    #[prost(message, optional, tag = "4")]
    pub dir_perms: Option<CgroupPerms>,
}

/// A setting: one file in a group's directory.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CgroupPropEntry {
    /// Name of the file.
    #[prost(bytes = "vec", required, tag = "1")]
    pub name: Vec<u8>,
    /// What it holds.
    #[prost(bytes = "vec", required, tag = "2")]
    pub value: Vec<u8>,
    /// Owner and permissions of the file.
    #[prost(message, optional, tag = "3")]
    pub perms: Option<CgroupPerms>,
}

/// Owner and permissions.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CgroupPerms {
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
