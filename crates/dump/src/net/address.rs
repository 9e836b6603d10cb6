//! The addresses of internet sockets, in the form of CRIU's images.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use commensal_sys::Errno;
use commensal_sys::sockopt::{self, SockOpt};
use linux_raw_sys::net::{AF_INET, AF_INET6, SO_PEERNAME, SOL_SOCKET};
use rustix::net::{SocketAddrAny, SocketAddrV4, SocketAddrV6};

use crate::Result;
use crate::files::OpenFile;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address, of the socket's family.
    pub ip: IpAddr,
    /// The port, 0 for none.
    pub port: u16,
}

/// The two ends of a connection, ours first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Our end.
    pub local: Endpoint,
    /// The other end.
    pub peer: Endpoint,
}

impl Endpoint {
    /// No address of a family.
    fn unspecified(family: u32) -> Self {
        let ip = match family {
            AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { ip, port: 0 }
    }

    /// The address as words whose bytes are in network order.
    pub fn words(&self) -> Vec<u32> {
        match self.ip {
            IpAddr::V4(ip) => vec![u32::from_ne_bytes(ip.octets())],
            IpAddr::V6(ip) => {
                let words = ip.octets().as_chunks::<4>().0.to_vec();
                words.into_iter().map(u32::from_ne_bytes).collect()
            }
        }
    }

    /// Whether the address means something only together with an interface:
    /// link-local ones, and multicast of interface or link scope (RFC 4291).
    pub fn needs_interface(&self) -> bool {
        match self.ip {
            IpAddr::V4(_) => false,
            IpAddr::V6(ip) => {
                let [first, second, ..] = ip.octets();
                ip.is_unicast_link_local() || first == 0xff && matches!(second & 0xf, 1 | 2)
            }
        }
    }

    fn from_any(address: SocketAddrAny) -> Option<Self> {
        if let Ok(v4) = SocketAddrV4::try_from(address.clone()) {
            return Some(Self {
                ip: IpAddr::V4(*v4.ip()),
                port: v4.port(),
            });
        }
        let v6 = SocketAddrV6::try_from(address).ok()?;
        Some(Self {
            ip: IpAddr::V6(*v6.ip()),
            port: v6.port(),
        })
    }

    /// Reads a `struct sockaddr_in` or `sockaddr_in6`.
    fn from_sockaddr(bytes: &[u8]) -> Option<Self> {
        let family = u32::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
        let ip = match family {
            AF_INET => IpAddr::from(*bytes.get(4..)?.first_chunk::<4>()?),
            AF_INET6 => IpAddr::from(*bytes.get(8..)?.first_chunk::<16>()?),
            _ => return None,
        };
        Some(Self { ip, port })
    }
}

impl Connection {
    /// Both ends of a socket; an end that is not there is unspecified.
    pub fn of(file: &OpenFile, family: u32) -> Result<Self> {
        let none = Endpoint::unspecified(family);
        let local = file.ask("getsockname", |fd| rustix::net::getsockname(fd))?;
        Ok(Self {
            local: Endpoint::from_any(local).unwrap_or(none),
            peer: peer(file, family)?.unwrap_or(none),
        })
    }

    /// The same connection with IPv4 addresses where its packets are IPv4's.
    pub fn unmapped(self) -> Self {
        let unmapped = |end: Endpoint| Endpoint {
            ip: end.ip.to_canonical(),
            ..end
        };
        if self.peer.ip.to_canonical().is_ipv4() {
            Self {
                local: unmapped(self.local),
                peer: unmapped(self.peer),
            }
        } else {
            self
        }
    }
}

/// The other end, also of a connection that is still being made, or closed:
/// getpeername(2) does not tell it then, `SO_PEERNAME` does.
fn peer(file: &OpenFile, family: u32) -> Result<Option<Endpoint>> {
    let mut address = [0; 28];
    // The kernel wants exactly the family's length (sk_getsockopt).
    let len = if family == AF_INET { 16 } else { 28 };
    let opt = SockOpt::new(SOL_SOCKET, SO_PEERNAME);
    match sockopt::get_bytes(file.fd(), opt, &mut address[..len]) {
        Ok(len) => Ok(Endpoint::from_sockaddr(&address[..len])),
        Err(Errno::NOTCONN) => Ok(None),
        Err(errno) => Err(file.error("getsockopt(SO_PEERNAME)", errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(ip: &str) -> Endpoint {
        Endpoint {
            ip: ip.parse().unwrap(),
            port: 1,
        }
    }

    #[test]
    fn words_keep_network_order() {
        assert_eq!(
            end("127.0.0.1").words(),
            [u32::from_ne_bytes([127, 0, 0, 1])]
        );
        let words = end("2001:db8::5").words();
        assert_eq!(words[0], u32::from_ne_bytes([0x20, 0x01, 0x0d, 0xb8]));
        assert_eq!(words[3], u32::from_ne_bytes([0, 0, 0, 5]));
    }

    #[test]
    fn only_addresses_of_a_link_need_an_interface() {
        assert!(end("fe80::1").needs_interface());
        assert!(end("ff02::1").needs_interface());
        assert!(end("ff01::1").needs_interface());
        for wide in [
            "::1",
            "2001:db8::1",
            "ff05::1",
            "::ffff:10.0.0.1",
            "10.0.0.1",
        ] {
            assert!(!end(wide).needs_interface(), "{wide}");
        }
    }

    #[test]
    fn a_mapped_connection_is_an_ipv4_one() {
        let connection = Connection {
            local: end("::ffff:10.0.0.1"),
            peer: end("::ffff:10.0.0.2"),
        };
        let unmapped = connection.unmapped();
        assert_eq!(
            (unmapped.local, unmapped.peer),
            (end("10.0.0.1"), end("10.0.0.2"))
        );
    }
}
