//! Network namespaces and their devices.

/// A network namespace.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NetnsEntry {
    /// Settings of new IPv4 devices, as older writers saved them.
    #[prost(int32, repeated, packed = "false", tag = "1")]
    pub def_conf: Vec<i32>,
    /// Settings of all IPv4 devices, as older writers saved them.
    #[prost(int32, repeated, packed = "false", tag = "2")]
    pub all_conf: Vec<i32>,
    /// Settings in `net/ipv4/conf/default`.
    #[prost(message, repeated, tag = "3")]
    pub def_conf4: Vec<SysctlEntry>,
    /// Settings in `net/ipv4/conf/all`.
    #[prost(message, repeated, tag = "4")]
    pub all_conf4: Vec<SysctlEntry>,
    /// Settings in `net/ipv6/conf/default`.
    #[prost(message, repeated, tag = "5")]
    pub def_conf6: Vec<SysctlEntry>,
    /// Settings in `net/ipv6/conf/all`.
    #[prost(message, repeated, tag = "6")]
    pub all_conf6: Vec<SysctlEntry>,
    /// Ids that it gives to other network namespaces.
    #[prost(message, repeated, tag = "7")]
    pub nsids: Vec<NetnsId>,
    /// The key under which the user gave it from outside (`--external`).
    #[prost(string, optional, tag = "8")]
    pub ext_key: Option<String>,
    /// Settings in `net/unix`.
    #[prost(message, repeated, tag = "9")]
    pub unix_conf: Vec<SysctlEntry>,
    /// Settings in `net/ipv4`.
    #[prost(message, repeated, tag = "10")]
    pub ipv4_sysctl: Vec<SysctlEntry>,
}

/// An id that one network namespace gives to another.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NetnsId {
    /// The other namespace.
    #[prost(uint32, required, tag = "1")]
    pub target_ns_id: u32,
    /// The id given to it.
    #[prost(int32, required, tag = "2")]
    pub netnsid_value: i32,
}

/// Kinds of network devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum NdType {
    /// Loopback.
    Loopback = 1,
    /// One end of a veth(4) pair.
    Veth = 2,
    /// TUN/TAP.
    Tun = 3,
    /// One that is given from outside.
    Extlink = 4,
    /// venet, of OpenVZ.
    Venet = 5,
    /// A bridge.
    Bridge = 6,
    /// macvlan.
    Macvlan = 7,
    /// IPv6 in IPv4 tunnel.
    Sit = 8,
}

/// A network device.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NetDeviceEntry {
    /// An [`NdType`].
    #[prost(enumeration = "NdType", required, tag = "1")]
    pub r#type: i32,
    /// Index of the network interface.
    #[prost(uint32, required, tag = "2")]
    pub ifindex: u32,
    /// Largest packet in bytes.
    #[prost(uint32, required, tag = "3")]
    pub mtu: u32,
    /// `IFF_*` flags.
    #[prost(uint32, required, tag = "4")]
    pub flags: u32,
    /// Its name.
    #[prost(bytes = "vec", required, tag = "5")]
    pub name: Vec<u8>,
    /// What a TUN/TAP device has of its own.
    #[prost(message, optional, tag = "6")]
    pub tun: Option<TunLinkEntry>,
    /// Link-level address.
    #[prost(bytes = "vec", optional, tag = "7")]
    pub address: Option<Vec<u8>>,
    /// IPv4 settings, as older writers saved them.
    #[prost(int32, repeated, packed = "false", tag = "8")]
    pub conf: Vec<i32>,
    /// Settings in `net/ipv4/conf/NAME`.
    #[prost(message, repeated, tag = "9")]
    pub conf4: Vec<SysctlEntry>,
    /// Settings in `net/ipv6/conf/NAME`.
    #[prost(message, repeated, tag = "10")]
    pub conf6: Vec<SysctlEntry>,
    /// What a macvlan device has of its own.
    #[prost(message, optional, tag = "11")]
    pub macvlan: Option<MacvlanLinkEntry>,
    /// Index of the other end of a veth pair.
    #[prost(uint32, optional, tag = "12")]
    pub peer_ifindex: Option<u32>,
    /// Namespace of the other end of a veth pair.
    #[prost(uint32, optional, tag = "13")]
    pub peer_nsid: Option<u32>,
    /// Index of the bridge it belongs to.
    #[prost(uint32, optional, tag = "14")]
    pub master: Option<u32>,
    /// What a SIT tunnel has of its own.
    #[prost(message, optional, tag = "15")]
    pub sit: Option<SitEntry>,
}

/// Settings of a macvlan device (`IFLA_MACVLAN_*`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct MacvlanLinkEntry {
    /// Its mode.
    #[prost(uint32, required, tag = "1")]
    pub mode: u32,
    /// Its flags.
    #[prost(uint32, optional, tag = "2")]
    pub flags: Option<u32>,
}

/// A setting: its value, by the type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SysctlEntry {
    /// A [`SysctlType`].
    #[prost(enumeration = "SysctlType", required, tag = "1")]
    pub r#type: i32,
    /// The value, if it is a number.
    #[prost(int32, optional, tag = "2")]
    pub iarg: Option<i32>,
    /// The value, if it is text.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub sarg: Option<Vec<u8>>,
}

/// Types of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SysctlType {
    /// Text.
    CtlStr = 5,
    /// A 32-bit number.
    Ctl32 = 6,
}

/// Settings of a SIT tunnel (`IFLA_IPTUN_*`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct SitEntry {
    /// Index of the device underneath.
    #[prost(uint32, optional, tag = "1")]
    pub link: Option<u32>,
    /// Local address, in network byte order.
    #[prost(uint32, repeated, packed = "false", tag = "2")]
    pub local: Vec<u32>,
    /// Remote address, in network byte order.
    #[prost(uint32, repeated, packed = "false", tag = "3")]
    pub remote: Vec<u32>,
    /// Time to live.
    #[prost(uint32, optional, tag = "4")]
    pub ttl: Option<u32>,
    /// Type of service.
    #[prost(uint32, optional, tag = "5")]
    pub tos: Option<u32>,
    /// Whether it finds out the path MTU.
    #[prost(bool, optional, tag = "6")]
    pub pmtudisc: Option<bool>,
    /// Protocol inside.
    #[prost(uint32, optional, tag = "7")]
    pub proto: Option<u32>,
    /// Flags.
    #[prost(uint32, optional, tag = "8")]
    pub flags: Option<u32>,
    /// Type of the encapsulation.
    #[prost(uint32, optional, tag = "9")]
    pub encap_type: Option<u32>,
    /// Flags of the encapsulation.
    #[prost(uint32, optional, tag = "10")]
    pub encap_flags: Option<u32>,
    /// Source port of the encapsulation, in network byte order.
    #[prost(uint32, optional, tag = "11")]
    pub encap_sport: Option<u32>,
    /// Destination port of the encapsulation, in network byte order.
    #[prost(uint32, optional, tag = "12")]
    pub encap_dport: Option<u32>,
    /// Length of the 6rd prefix in bits.
    #[prost(uint32, optional, tag = "13")]
    pub rd_prefixlen: Option<u32>,
    /// The 6rd prefix, in network byte order.
    #[prost(uint32, repeated, packed = "false", tag = "14")]
    pub rd_prefix: Vec<u32>,
    /// Length of the relay prefix in bits.
    #[prost(uint32, optional, tag = "15")]
    pub relay_prefixlen: Option<u32>,
    /// The relay prefix, in network byte order.
    #[prost(uint32, repeated, packed = "false", tag = "16")]
    pub relay_prefix: Vec<u32>,
}

/// An open TUN/TAP device.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TunfileEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Name of the device; none when it is not attached.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub netdev: Option<Vec<u8>>,
    /// Whether its queue is detached.
    #[prost(bool, optional, tag = "3")]
    pub detached: Option<bool>,
    /// Id of the network namespace it belongs to.
    #[prost(uint32, optional, tag = "4")]
    pub ns_id: Option<u32>,
}

/// Settings of a TUN/TAP device (`TUNSET*`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct TunLinkEntry {
    /// `IFF_*` flags of TUNSETIFF.
    #[prost(uint32, required, tag = "1")]
    pub flags: u32,
    /// User who may open it; -1 for nobody in particular.
    #[prost(int32, required, tag = "2")]
    pub owner: i32,
    /// Group that may open it; -1 for none in particular.
    #[prost(int32, required, tag = "3")]
    pub group: i32,
    /// Length of the virtio header in bytes.
    #[prost(uint32, required, tag = "4")]
    pub vnethdr: u32,
    /// `TUNGETSNDBUF` in bytes.
    #[prost(uint32, required, tag = "5")]
    pub sndbuf: u32,
}
