//! Credentials and security labels.

/// Credentials of a thread, see credentials(7) and capabilities(7). A capability set is two words,
/// the lower first.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CredsEntry {
    /// Real user id.
    #[prost(uint32, required, tag = "1")]
    pub uid: u32,
    /// Real group id.
    #[prost(uint32, required, tag = "2")]
    pub gid: u32,
    /// Effective user id.
    #[prost(uint32, required, tag = "3")]
    pub euid: u32,
    /// Effective group id.
    #[prost(uint32, required, tag = "4")]
    pub egid: u32,
    /// Saved set-user-ID.
    #[prost(uint32, required, tag = "5")]
    pub suid: u32,
    /// Saved set-group-ID.
    #[prost(uint32, required, tag = "6")]
    pub sgid: u32,
    /// User id for file access.
    #[prost(uint32, required, tag = "7")]
    pub fsuid: u32,
    /// Group id for file access.
    #[prost(uint32, required, tag = "8")]
    pub fsgid: u32,
    /// Inheritable capabilities.
    #[prost(uint32, repeated, packed = "false", tag = "9")]
    pub cap_inh: Vec<u32>,
    /// Permitted capabilities.
    #[prost(uint32, repeated, packed = "false", tag = "10")]
    pub cap_prm: Vec<u32>,
    /// Effective capabilities.
    #[prost(uint32, repeated, packed = "false", tag = "11")]
    pub cap_eff: Vec<u32>,
    /// Bounding set.
    #[prost(uint32, repeated, packed = "false", tag = "12")]
    pub cap_bnd: Vec<u32>,
    /// Securebits (`PR_GET_SECUREBITS`).
    #[prost(uint32, required, tag = "13")]
    pub secbits: u32,
    /// Supplementary groups.
    #[prost(uint32, repeated, packed = "false", tag = "14")]
    pub groups: Vec<u32>,
    /// Security label, `/proc/PID/attr/current`.
    #[prost(bytes = "vec", optional, tag = "15")]
    pub lsm_profile: Option<Vec<u8>>,
    /// SELinux label for new sockets, `/proc/PID/attr/sockcreate`.
    #[prost(bytes = "vec", optional, tag = "16")]
    pub lsm_sockcreate: Option<Vec<u8>>,
    /// Data of AppArmor's own.
    #[prost(bytes = "vec", optional, tag = "17")]
    pub apparmor_data: Option<Vec<u8>>,
    /// `PR_GET_NO_NEW_PRIVS`.
    #[prost(uint32, optional, tag = "18")]
    pub no_new_privs: Option<u32>,
    /// Ambient capabilities.
    #[prost(uint32, repeated, packed = "false", tag = "19")]
    pub cap_amb: Vec<u32>,
}

/// AppArmor namespaces and policies, in `apparmor.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ApparmorEntry {
    /// The namespaces at the top.
    #[prost(message, repeated, tag = "1")]
    pub namespaces: Vec<AaNamespace>,
}

/// An AppArmor namespace.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AaNamespace {
    /// Its name.
    #[prost(bytes = "vec", required, tag = "1")]
    pub name: Vec<u8>,
    /// Policies loaded in it.
    #[prost(message, repeated, tag = "2")]
    pub policies: Vec<AaPolicy>,
    /// Namespaces below it.
    #[prost(message, repeated, tag = "3")]
    pub namespaces: Vec<AaNamespace>,
}

/// An AppArmor policy.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AaPolicy {
    /// Its name.
    #[prost(bytes = "vec", required, tag = "1")]
    pub name: Vec<u8>,
    /// The compiled policy.
    #[prost(bytes = "vec", required, tag = "2")]
    pub blob: Vec<u8>,
}
