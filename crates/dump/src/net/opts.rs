//! The options of a socket, as socket(7), ip(7) and tcp(7) name them.
//!
//! CRIU's images have a place for these and no others. Where a place is
//! optional it is left empty for the default, as CRIU does, so that a restore
//! needs no privilege that the program did not need.

use commensal_images::messages::{IpOptsEntry, IpOptsRawEntry, SkOptsEntry, TcpOptsEntry};
use commensal_sys::sockopt::{self, SockOpt};
use linux_raw_sys::net::*;
use zerocopy::{FromBytes, IntoBytes};

use crate::Result;
use crate::files::OpenFile;

/// `SO_BINDTODEVICE`: room for an interface's name and its NUL (`IFNAMSIZ`).
const INTERFACE_NAME: usize = 16;
/// `UDP_CORK` (include/uapi/linux/udp.h).
const UDP_CORK: u32 = 1;
/// `ICMP_FILTER` (include/uapi/linux/icmp.h) and `ICMPV6_FILTER`
/// (include/uapi/linux/icmpv6.h).
const ICMP_FILTER: u32 = 1;
const ICMPV6_FILTER: u32 = 1;

/// `struct timeval` on a 64-bit kernel.
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Timeval {
    sec: u64,
    usec: u64,
}

/// `struct linger` (socket(7)).
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Linger {
    on: i32,
    seconds: u32,
}

/// Reads option `$name` of `$level`; an error names it.
macro_rules! option {
    ($file:expr, $level:ident, $name:ident) => {
        $file.ask(concat!("getsockopt(", stringify!($name), ")"), |fd| {
            commensal_sys::sockopt::get(fd, commensal_sys::sockopt::SockOpt::new($level, $name))
        })
    };
}
pub(super) use option;

/// Reads an option that is on or off.
macro_rules! switch {
    ($file:expr, $level:ident, $name:ident) => {
        $crate::net::opts::option!($file, $level, $name).map(|value: u32| value != 0)
    };
}
pub(super) use switch;

/// The options that all families have.
pub fn common(file: &OpenFile, family: u32) -> Result<SkOptsEntry> {
    let send: Timeval = option!(file, SOL_SOCKET, SO_SNDTIMEO_OLD)?;
    let receive: Timeval = option!(file, SOL_SOCKET, SO_RCVTIMEO_OLD)?;
    let linger: Linger = option!(file, SOL_SOCKET, SO_LINGER)?;
    let passes_credentials = family == AF_UNIX || family == AF_NETLINK;
    let mark: u32 = option!(file, SOL_SOCKET, SO_MARK)?;
    Ok(SkOptsEntry {
        so_sndbuf: option!(file, SOL_SOCKET, SO_SNDBUF)?,
        so_rcvbuf: option!(file, SOL_SOCKET, SO_RCVBUF)?,
        so_snd_tmo_sec: send.sec,
        so_snd_tmo_usec: send.usec,
        so_rcv_tmo_sec: receive.sec,
        so_rcv_tmo_usec: receive.usec,
        reuseaddr: Some(switch!(file, SOL_SOCKET, SO_REUSEADDR)?),
        so_priority: Some(option!(file, SOL_SOCKET, SO_PRIORITY)?),
        so_rcvlowat: Some(option!(file, SOL_SOCKET, SO_RCVLOWAT)?),
        so_mark: (mark != 0).then_some(mark),
        so_passcred: passes_credentials
            .then(|| switch!(file, SOL_SOCKET, SO_PASSCRED))
            .transpose()?,
        so_passsec: passes_credentials
            .then(|| switch!(file, SOL_SOCKET, SO_PASSSEC))
            .transpose()?,
        so_dontroute: Some(switch!(file, SOL_SOCKET, SO_DONTROUTE)?),
        so_no_check: Some(switch!(file, SOL_SOCKET, SO_NO_CHECK)?),
        so_bound_dev: bound_device(file)?,
        so_filter: filter(file)?,
        so_reuseport: Some(switch!(file, SOL_SOCKET, SO_REUSEPORT)?),
        so_broadcast: Some(switch!(file, SOL_SOCKET, SO_BROADCAST)?),
        so_keepalive: Some(switch!(file, SOL_SOCKET, SO_KEEPALIVE)?),
        so_oobinline: Some(option!(file, SOL_SOCKET, SO_OOBINLINE)?),
        so_linger: (linger.on != 0).then_some(linger.seconds),
        so_buf_lock: Some(option!(file, SOL_SOCKET, SO_BUF_LOCK)?),
        ..SkOptsEntry::default()
    })
}

/// The interface the socket is bound to, without its NUL.
pub fn bound_device(file: &OpenFile) -> Result<Option<Vec<u8>>> {
    let mut name = [0; INTERFACE_NAME];
    let opt = SockOpt::new(SOL_SOCKET, SO_BINDTODEVICE);
    let len = file.ask("getsockopt(SO_BINDTODEVICE)", |fd| {
        sockopt::get_bytes(fd, opt, &mut name)
    })?;
    let name = name[..len].split(|byte| *byte == 0).next();
    Ok(name.filter(|name| !name.is_empty()).map(<[u8]>::to_vec))
}

/// The classic filter, an instruction a word as CRIU packs it.
fn filter(file: &OpenFile) -> Result<Vec<u64>> {
    use commensal_sys::Errno;
    let filter = match sockopt::filter(file.fd()) {
        Ok(filter) => filter,
        Err(Errno::ACCESS) => {
            return Err(file.refuse(
                "a socket with an eBPF filter",
                "the kernel does not give attached eBPF programs back",
                "detach the program (SO_DETACH_FILTER) before the dump",
            ));
        }
        Err(errno) => return Err(file.error("getsockopt(SO_GET_FILTER)", errno)),
    };
    let pack = |i: &sockopt::SockFilter| {
        u64::from(i.code) << 48 | u64::from(i.jt) << 40 | u64::from(i.jf) << 32 | u64::from(i.k)
    };
    Ok(filter.iter().map(pack).collect())
}

/// The options of IPv4 and IPv6.
pub fn ip(file: &OpenFile, family: u32, kind: u32, protocol: u32) -> Result<IpOptsEntry> {
    let raw = match kind {
        SOCK_RAW => Some(raw(file, family, protocol)?),
        _ => None,
    };
    if family == AF_INET6 {
        return Ok(IpOptsEntry {
            freebind: set(switch!(file, SOL_IPV6, IPV6_FREEBIND)?),
            pktinfo: set(switch!(file, SOL_IPV6, IPV6_RECVPKTINFO)?),
            raw,
            ..IpOptsEntry::default()
        });
    }
    Ok(IpOptsEntry {
        freebind: set(switch!(file, SOL_IP, IP_FREEBIND)?),
        pktinfo: set(switch!(file, SOL_IP, IP_PKTINFO)?),
        tos: Some(option!(file, SOL_IP, IP_TOS)?).filter(|tos| *tos != 0),
        ttl: Some(option!(file, SOL_IP, IP_TTL)?).filter(|ttl| *ttl != 0),
        raw,
    })
}

/// The options of raw sockets (raw(7)).
fn raw(file: &OpenFile, family: u32, protocol: u32) -> Result<IpOptsRawEntry> {
    let mut raw = IpOptsRawEntry::default();
    if family == AF_INET6 {
        raw.hdrincl = set(switch!(file, SOL_IPV6, IPV6_HDRINCL)?);
        if protocol == IPPROTO_ICMPV6 {
            let filter: [u32; 8] = option!(file, SOL_ICMPV6, ICMPV6_FILTER)?;
            raw.icmpv_filter = filter.to_vec();
        }
    } else {
        raw.hdrincl = set(switch!(file, SOL_IP, IP_HDRINCL)?);
        raw.nodefrag = set(switch!(file, SOL_IP, IP_NODEFRAG)?);
        if protocol == IPPROTO_ICMP as u32 {
            let filter: u32 = option!(file, SOL_RAW, ICMP_FILTER)?;
            raw.icmpv_filter = vec![filter];
        }
    }
    Ok(raw)
}

/// The options of TCP.
pub fn tcp(file: &OpenFile) -> Result<TcpOptsEntry> {
    Ok(TcpOptsEntry {
        cork: set(switch!(file, SOL_TCP, TCP_CORK)?),
        nodelay: set(switch!(file, SOL_TCP, TCP_NODELAY)?),
        keepcnt: Some(option!(file, SOL_TCP, TCP_KEEPCNT)?),
        keepidle: Some(option!(file, SOL_TCP, TCP_KEEPIDLE)?),
        keepintvl: Some(option!(file, SOL_TCP, TCP_KEEPINTVL)?),
    })
}

/// Whether datagrams are being held back to become one.
pub fn is_corked(file: &OpenFile) -> Result<bool> {
    switch!(file, SOL_UDP, UDP_CORK)
}

fn set(on: bool) -> Option<bool> {
    on.then_some(true)
}
