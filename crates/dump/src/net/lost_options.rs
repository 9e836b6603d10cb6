//! Options that CRIU's images have no place for: a restore makes the socket without them.
//!
//! What is usual is asked of a fresh socket of the same kind, so that the system's settings count
//! as well. Looked for while the tree still runs: it costs no frozen time.

use std::collections::HashMap;

use commensal_seized::later;
use commensal_sys::sockopt::{self, SockOpt};
use linux_raw_sys::net::*;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::net::{AddressFamily, Protocol, RawProtocol, SocketType, socket};

use super::inet::Kind;
use crate::files::OpenFile;

/// Room for the longest value, the name of a congestion control (`TCP_CA_NAME_MAX`).
const VALUE: usize = 16;

/// An option: its level, its number and its name.
type Named = (u32, u32, &'static str);

macro_rules! options {
    ($table:ident: $level:ident $($name:ident)*) => {
        const $table: &[Named] = &[$(($level, $name, stringify!($name))),*];
    };
}

options! { SOCKET: SOL_SOCKET
    SO_TIMESTAMP_OLD SO_TIMESTAMPNS_OLD SO_TIMESTAMPING_OLD SO_RXQ_OVFL SO_SELECT_ERR_QUEUE
    SO_BUSY_POLL SO_MAX_PACING_RATE SO_ZEROCOPY SO_LOCK_FILTER
}
options! { IPV4: SOL_IP
    IP_RECVERR IP_RECVTTL IP_RECVTOS IP_RECVORIGDSTADDR IP_MTU_DISCOVER IP_MINTTL IP_TRANSPARENT
}
options! { IPV4_DATAGRAMS: SOL_IP
    IP_MULTICAST_TTL IP_MULTICAST_LOOP IP_MULTICAST_ALL IP_MULTICAST_IF
}
options! { IPV6: SOL_IPV6
    IPV6_RECVERR IPV6_RECVHOPLIMIT IPV6_RECVTCLASS IPV6_TCLASS IPV6_MTU_DISCOVER IPV6_DONTFRAG
    IPV6_TRANSPARENT IPV6_UNICAST_HOPS
}
// The hops of multicast are told as those of the route, once there is one.
options! { IPV6_DATAGRAMS: SOL_IPV6
    IPV6_MULTICAST_LOOP IPV6_MULTICAST_IF
}
options! { TCP: SOL_TCP
    TCP_CONGESTION TCP_SYNCNT TCP_LINGER2 TCP_DEFER_ACCEPT TCP_USER_TIMEOUT TCP_FASTOPEN
    TCP_NOTSENT_LOWAT TCP_FASTOPEN_CONNECT
}

/// The values of all options of a kind of socket, as a fresh one has them.
#[derive(Debug, Default)]
pub struct Usual {
    kinds: HashMap<Kind, Vec<Option<Vec<u8>>>>,
}

impl Usual {
    /// Says which options of a socket a restore will not set.
    pub fn warn_of_others(&mut self, file: &OpenFile, kind: Kind) {
        let others = self.others(file.fd(), kind);
        if !others.is_empty() {
            let (place, others) = (file.place.clone(), others.join(", "));
            later(
                move || tracing::warn!(%place, "the images have no place for options of the socket: {others}"),
            );
        }
    }

    /// The options that are set otherwise than usual.
    fn others(&mut self, fd: BorrowedFd<'_>, kind: Kind) -> Vec<&'static str> {
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
    let (network, own) = match (kind.family, kind.is_tcp()) {
        (AF_INET6, true) => (IPV6, TCP),
        (AF_INET6, false) => (IPV6, IPV6_DATAGRAMS),
        (_, true) => (IPV4, TCP),
        (_, false) => (IPV4, IPV4_DATAGRAMS),
    };
    SOCKET.iter().chain(network).chain(own)
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
    let room = if *name == TCP_CONGESTION && *level == SOL_TCP {
        VALUE
    } else {
        size_of::<u32>()
    };
    let length = sockopt::get_bytes(fd, SockOpt::new(*level, *name), &mut bytes[..room]).ok()?;
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
