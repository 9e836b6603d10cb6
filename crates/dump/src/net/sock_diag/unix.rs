//! The table of unix sockets.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;

use netlink_packet_core::{Emitable, Parseable};
use netlink_packet_sock_diag::unix::nlas::{Nla, UnixDiagName};
use netlink_packet_sock_diag::unix::{ShowFlags, StateFlags, UnixRequest, UnixResponse};

use super::dump;
use crate::net::request::invalid;

/// A unix socket as the kernel's table has it.
#[derive(Clone, Debug, Default)]
pub struct UnixSocket {
    /// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_SEQPACKET`.
    pub kind: u8,
    /// A TCP state: LISTEN, ESTABLISHED or CLOSE.
    pub state: u8,
    /// The peer's inode, 0 without one.
    pub peer: u32,
    /// The address as `sun_path` holds it: a path with its NUL, an abstract
    /// name with its leading NUL, or nothing.
    pub name: Vec<u8>,
    /// The sockets that wait to be accepted, by inode; 0 for one that is
    /// closed already.
    pub waiting: Vec<u32>,
    /// Bytes to be read, or connections to be accepted.
    pub receive_queue: u32,
    /// Bytes not yet read by the peer, or the backlog of a listening socket.
    pub send_queue: u32,
    /// 1: no receiving, 2: no sending.
    pub shutdown: u8,
}

/// Reads the table.
pub(super) fn read() -> io::Result<HashMap<u32, UnixSocket>> {
    let request = UnixRequest {
        state_flags: StateFlags::from_bits_retain(u32::MAX),
        inode: 0,
        show_flags: ShowFlags::NAME | ShowFlags::PEER | ShowFlags::ICONS | ShowFlags::RQLEN,
        cookie: [0; 8],
    };
    let mut payload = vec![0; request.buffer_len()];
    request.emit(&mut payload);
    dump(&payload)?.iter().map(|answer| parse(answer)).collect()
}

fn parse(answer: &[u8]) -> io::Result<(u32, UnixSocket)> {
    let response = UnixResponse::parse(answer).map_err(invalid)?;
    let mut socket = UnixSocket {
        kind: response.header.kind,
        state: response.header.state,
        ..UnixSocket::default()
    };
    for attribute in response.nlas {
        match attribute {
            Nla::Name(name) => socket.name = sun_path(&name),
            Nla::Peer(inode) => socket.peer = inode,
            Nla::PendingConnections(inodes) => socket.waiting = inodes,
            Nla::ReceiveQueueLength(receive, send) => {
                (socket.receive_queue, socket.send_queue) = (receive, send);
            }
            Nla::Shutdown(bits) => socket.shutdown = bits,
            _ => {}
        }
    }
    Ok((response.header.inode, socket))
}

/// The name's bytes as bind(2) took them, with the NUL the kernel adds.
fn sun_path(name: &UnixDiagName) -> Vec<u8> {
    match name {
        UnixDiagName::Pathname(path) => [path.as_bytes(), b"\0"].concat(),
        UnixDiagName::Abstract(name) => [b"\0", name.as_slice()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn inode(fd: impl AsFd) -> u32 {
        rustix::fs::fstat(fd).unwrap().st_ino as u32
    }

    #[test]
    fn a_pair_knows_its_peers_and_queues() {
        let (mut left, right) = UnixStream::pair().unwrap();
        left.write_all(b"hello").unwrap();
        left.shutdown(std::net::Shutdown::Write).unwrap();
        let table = read().unwrap();
        let (l, r) = (inode(&left), inode(&right));
        assert_eq!((table[&l].peer, table[&r].peer), (r, l));
        assert_eq!(table[&r].receive_queue, 5);
        assert_eq!((table[&l].shutdown, table[&r].shutdown), (2, 1));
    }

    #[test]
    fn an_abstract_name_keeps_its_leading_nul() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixListener};
        let name = format!("commensal-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let _waiting = UnixStream::connect_addr(&address).unwrap();
        let table = read().unwrap();
        let socket = &table[&inode(&listener)];
        assert_eq!(socket.name, [b"\0", name.as_bytes()].concat());
        assert_eq!(socket.waiting.len(), 1);
    }
}
