//! Options that CRIU's images have no place for: a restore makes the socket without them.
//!
//! What is usual is asked of a fresh socket of the same kind, so that the system's settings count
//! as well. Looked for while the tree still runs: it costs no frozen time.

use std::collections::HashMap;

use commensal_sys::sockopt::{self, SockOpt};
use linux_raw_sys::net::*;
use linux_raw_sys::netlink::{
    NETLINK_BROADCAST_ERROR, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK,
    NETLINK_LISTEN_ALL_NSID, NETLINK_NO_ENOBUFS, NETLINK_PKTINFO,
};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::net::{AddressFamily, Protocol, RawProtocol, SocketType, socket};

use super::inet::Kind;

/// Room for the longest value, the name of a congestion control (`TCP_CA_NAME_MAX`).
const VALUE: usize = 16;

// include/uapi/linux/udp.h; the last two are of UDP-Lite.
const UDP_ENCAP: u32 = 100;
const UDP_NO_CHECK6_TX: u32 = 101;
const UDP_NO_CHECK6_RX: u32 = 102;
const UDP_SEGMENT: u32 = 103;
const UDP_GRO: u32 = 104;
const UDPLITE_SEND_CSCOV: u32 = 10;
const UDPLITE_RECV_CSCOV: u32 = 11;
/// include/linux/socket.h
const SOL_UDPLITE: u32 = 136;

// include/uapi/linux/if_packet.h
const PACKET_TX_HAS_OFF: u32 = 19;
const PACKET_QDISC_BYPASS: u32 = 20;
const PACKET_IGNORE_OUTGOING: u32 = 23;

/// An option: its level, its number and its name.
type Named = (u32, u32, &'static str);

macro_rules! options {
    ($table:ident: $level:ident $($name:ident)*) => {
        const $table: &[Named] = &[$(($level, $name, stringify!($name))),*];
    };
}

options! { SOCKET: SOL_SOCKET
    SO_TIMESTAMP_OLD SO_TIMESTAMPNS_OLD SO_TIMESTAMPING_OLD SO_TIMESTAMP_NEW SO_TIMESTAMPNS_NEW
    SO_TIMESTAMPING_NEW SO_RXQ_OVFL SO_SELECT_ERR_QUEUE SO_BUSY_POLL SO_PREFER_BUSY_POLL
    SO_BUSY_POLL_BUDGET SO_MAX_PACING_RATE SO_ZEROCOPY SO_LOCK_FILTER SO_PEEK_OFF SO_WIFI_STATUS
    SO_NOFCS SO_TXTIME SO_RCVMARK SO_RCVPRIORITY SO_RESERVE_MEM
}
options! { LOCAL: SOL_SOCKET
    SO_PASSPIDFD SO_PASSRIGHTS SO_INQ
}
options! { IPV4: SOL_IP
    IP_RECVERR IP_RECVTTL IP_RECVTOS IP_RECVORIGDSTADDR IP_MTU_DISCOVER IP_MINTTL IP_TRANSPARENT
    IP_RECVOPTS IP_RETOPTS IP_PASSSEC IP_BIND_ADDRESS_NO_PORT IP_RECVFRAGSIZE IP_RECVERR_RFC4884
    IP_UNICAST_IF IP_LOCAL_PORT_RANGE IP_OPTIONS
}
options! { IPV4_DATAGRAMS: SOL_IP
    IP_MULTICAST_TTL IP_MULTICAST_LOOP IP_MULTICAST_ALL IP_MULTICAST_IF IP_CHECKSUM
}
options! { IPV6: SOL_IPV6
    IPV6_RECVERR IPV6_RECVHOPLIMIT IPV6_RECVTCLASS IPV6_TCLASS IPV6_MTU_DISCOVER IPV6_DONTFRAG
    IPV6_TRANSPARENT IPV6_UNICAST_HOPS IPV6_RECVHOPOPTS IPV6_RECVRTHDR IPV6_RECVDSTOPTS
    IPV6_RECVPATHMTU IPV6_RECVORIGDSTADDR IPV6_RECVFRAGSIZE IPV6_MINHOPCOUNT
    IPV6_ADDR_PREFERENCES IPV6_FLOWINFO_SEND IPV6_AUTOFLOWLABEL IPV6_UNICAST_IF
    IPV6_RECVERR_RFC4884 IPV6_HOPOPTS IPV6_RTHDR IPV6_DSTOPTS
}
// The hops of multicast are told as those of the route, once there is one.
options! { IPV6_DATAGRAMS: SOL_IPV6
    IPV6_MULTICAST_LOOP IPV6_MULTICAST_IF IPV6_MULTICAST_ALL
}
options! { TCP: SOL_TCP
    TCP_CONGESTION TCP_SYNCNT TCP_LINGER2 TCP_DEFER_ACCEPT TCP_USER_TIMEOUT TCP_FASTOPEN
    TCP_NOTSENT_LOWAT TCP_FASTOPEN_CONNECT TCP_THIN_LINEAR_TIMEOUTS TCP_SAVE_SYN
    TCP_FASTOPEN_NO_COOKIE TCP_INQ TCP_TX_DELAY TCP_RTO_MAX_MS
}
options! { UDP: SOL_UDP
    UDP_ENCAP UDP_NO_CHECK6_TX UDP_NO_CHECK6_RX UDP_SEGMENT UDP_GRO
}
options! { UDP_LITE: SOL_UDPLITE
    UDPLITE_SEND_CSCOV UDPLITE_RECV_CSCOV
}
options! { NETLINK: SOL_NETLINK
    NETLINK_PKTINFO NETLINK_BROADCAST_ERROR NETLINK_NO_ENOBUFS NETLINK_LISTEN_ALL_NSID
    NETLINK_CAP_ACK NETLINK_EXT_ACK NETLINK_GET_STRICT_CHK
}
options! { PACKET: SOL_PACKET
    PACKET_TX_HAS_OFF PACKET_QDISC_BYPASS PACKET_IGNORE_OUTGOING
}

/// The values of all options of a kind of socket, as a fresh one has them.
#[derive(Debug, Default)]
pub struct Usual {
    kinds: HashMap<Kind, Vec<Option<Vec<u8>>>>,
}

impl Usual {
    /// The options that are set otherwise than usual.
    pub fn others(&mut self, fd: BorrowedFd<'_>, kind: Kind) -> Vec<&'static str> {
        let usual = self.kinds.entry(kind).or_insert_with(|| fresh(kind));
        let differs = |(option, usual): (&'static Named, &Option<Vec<u8>>)| {
            let (value, usual) = (value(fd, option)?, usual.as_ref()?);
            (value != *usual).then_some(option.2)
        };
        of_kind(kind).zip(&*usual).filter_map(differs).collect()
    }
}

/// The options of a kind.
fn of_kind(kind: Kind) -> impl Iterator<Item = &'static Named> {
    let (network, own): (&[Named], &[Named]) = match kind.family {
        AF_UNIX => (LOCAL, &[]),
        AF_NETLINK => (&[], NETLINK),
        AF_PACKET => (&[], PACKET),
        AF_INET6 if kind.is_tcp() => (IPV6, TCP),
        AF_INET6 => (IPV6, IPV6_DATAGRAMS),
        _ if kind.is_tcp() => (IPV4, TCP),
        _ => (IPV4, IPV4_DATAGRAMS),
    };
    let transport: &[Named] = match kind.is_udp() {
        true if kind.protocol == IPPROTO_UDPLITE as u32 => UDP_LITE,
        true => UDP,
        false => &[],
    };
    SOCKET.iter().chain(network).chain(own).chain(transport)
}

/// The values that a fresh socket has; none where we may not make one.
fn fresh(kind: Kind) -> Vec<Option<Vec<u8>>> {
    let protocol = RawProtocol::new(kind.protocol).map(Protocol::from_raw);
    let made = socket(
        AddressFamily::from_raw(kind.family as u16),
        SocketType::from_raw(kind.kind),
        protocol,
    );
    let made = made.ok();
    let value_of = |option| value(made.as_ref()?.as_fd(), option);
    of_kind(kind).map(value_of).collect()
}

/// The bytes of an option, `None` where the socket or the kernel does not have it.
fn value(fd: BorrowedFd<'_>, (level, name, _): &Named) -> Option<Vec<u8>> {
    let mut bytes = [0; VALUE];
    let length = sockopt::get_bytes(fd, SockOpt::new(*level, *name), &mut bytes).ok()?;
    Some(bytes[..length].to_vec())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn kind(family: u32, kind: u32, protocol: u32) -> Kind {
        Kind {
            family,
            kind,
            protocol,
        }
    }

    #[test]
    fn what_was_set_is_told_by_name() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let udp = kind(AF_INET, SOCK_DGRAM, IPPROTO_UDP as u32);
        let mut usual = Usual::default();
        assert_eq!(usual.others(socket.as_fd(), udp), [""; 0]);
        socket.set_multicast_ttl_v4(9).unwrap();
        assert_eq!(usual.others(socket.as_fd(), udp), ["IP_MULTICAST_TTL"]);
    }

    #[test]
    fn options_of_every_family_are_told() {
        let pair = std::os::unix::net::UnixStream::pair().unwrap();
        let local = kind(AF_UNIX, SOCK_STREAM, 0);
        let mut usual = Usual::default();
        assert_eq!(usual.others(pair.0.as_fd(), local), [""; 0]);
        sockopt::set(&pair.0, SockOpt::new(SOL_SOCKET, SO_PEEK_OFF), &3u32).unwrap();
        assert_eq!(usual.others(pair.0.as_fd(), local), ["SO_PEEK_OFF"]);

        let family = AddressFamily::from_raw(AF_NETLINK as u16);
        let netlink = socket(family, SocketType::RAW, None).unwrap();
        let route = kind(AF_NETLINK, SOCK_RAW, 0);
        assert_eq!(usual.others(netlink.as_fd(), route), [""; 0]);
        sockopt::set(&netlink, SockOpt::new(SOL_NETLINK, NETLINK_EXT_ACK), &1u32).unwrap();
        assert_eq!(usual.others(netlink.as_fd(), route), ["NETLINK_EXT_ACK"]);
    }

    #[test]
    fn an_accepted_connection_is_as_usual() {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let tcp = kind(AF_INET6, SOCK_STREAM, IPPROTO_TCP as u32);
        let mut usual = Usual::default();
        for socket in [listener.as_fd(), client.as_fd(), server.as_fd()] {
            assert_eq!(usual.others(socket, tcp), [""; 0]);
        }
        let milliseconds = 5000u32;
        let option = SockOpt::new(SOL_TCP, TCP_USER_TIMEOUT);
        sockopt::set(&client, option, &milliseconds).unwrap();
        assert_eq!(usual.others(client.as_fd(), tcp), ["TCP_USER_TIMEOUT"]);
    }
}
