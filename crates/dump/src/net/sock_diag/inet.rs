//! The tables of UDP and UDP-Lite sockets, for the one thing that no call on a
//! descriptor tells: in which directions it was shut down.

use std::collections::HashMap;
use std::io;

use netlink_packet_core::{Emitable, Parseable};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags,
};

use super::dump;
use crate::net::request::invalid;

/// Reads the shutdown bits of all sockets of a family and a protocol, by inode.
pub(super) fn read_shutdown(family: u8, protocol: u8) -> io::Result<HashMap<u32, u8>> {
    let request = InetRequest {
        family,
        protocol,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::from_bits_retain(u32::MAX),
        socket_id: SocketId::new_v6(),
    };
    let mut payload = vec![0; request.buffer_len()];
    request.emit(&mut payload);
    dump(&payload)?.iter().map(|answer| parse(answer)).collect()
}

fn parse(answer: &[u8]) -> io::Result<(u32, u8)> {
    let response = InetResponse::parse(answer).map_err(invalid)?;
    let bits = response.nlas.iter().find_map(|attribute| match attribute {
        Nla::Shutdown(bits) => Some(*bits),
        _ => None,
    });
    Ok((response.header.inode, bits.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::net::{AF_INET, IPPROTO_UDP};
    use rustix::net::Shutdown;
    use std::net::UdpSocket;

    #[test]
    fn a_shut_down_socket_is_seen() {
        let sock = UdpSocket::bind("127.0.0.1:0").unwrap();
        sock.connect(sock.local_addr().unwrap()).unwrap();
        rustix::net::shutdown(&sock, Shutdown::Write).unwrap();
        let inode = rustix::fs::fstat(&sock).unwrap().st_ino as u32;
        let table = read_shutdown(AF_INET as u8, IPPROTO_UDP as u8).unwrap();
        assert_eq!(table[&inode], 2);
    }
}
