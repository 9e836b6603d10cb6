//! Netlink sockets (netlink(7)).

use commensal_images::messages::NetlinkSkEntry;
use commensal_sys::{Errno, peek};
use linux_raw_sys::net::{AF_NETLINK, SO_PROTOCOL, SOL_SOCKET};

use super::Sockets;
use super::opts::{self, option};
use super::sock_diag::NetlinkSocket;
use crate::Result;
use crate::files::OpenFile;

/// Collects a socket.
pub fn dump(file: &OpenFile, id: u32, sockets: &mut Sockets<'_>) -> Result<NetlinkSkEntry> {
    let ns_id = sockets.tables.networks.of_socket(file)?;
    let inode = file.stat.ino as u32;
    let found = sockets.tables.netlink()?.get(&inode).cloned();
    let socket = match found {
        Some(socket) => socket,
        // Neither bound nor connected: it is in no table.
        None => NetlinkSocket {
            protocol: option!(file, SOL_SOCKET, SO_PROTOCOL).map(|protocol: u32| protocol as u8)?,
            ..NetlinkSocket::default()
        },
    };
    Ok(NetlinkSkEntry {
        id,
        ino: inode,
        protocol: socket.protocol.into(),
        state: socket.state.into(),
        flags: file.flags,
        portid: socket.port,
        groups: groups(file, &socket)?,
        dst_portid: socket.peer_port,
        dst_group: socket.peer_group,
        fown: file.owner.clone(),
        opts: opts::common(file, AF_NETLINK)?,
        ns_id: Some(ns_id),
    })
}

/// The groups it has joined: the images have room for the first 32.
fn groups(file: &OpenFile, socket: &NetlinkSocket) -> Result<Vec<u32>> {
    let mut groups = socket.groups.clone();
    // The kernel counts in words of 64 bits.
    if groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.len() > 1 {
        return Err(file.refuse(
            "a netlink socket in groups above 32",
            "CRIU's images have room for the first 32 groups only",
            "leave the groups before the dump",
        ));
    }
    if !groups.is_empty() && socket.port == 0 {
        return Err(file.refuse(
            "a netlink socket in a group without a port",
            "a restore could not bind it",
            "bind the socket before the dump",
        ));
    }
    if socket.has_ring {
        return Err(file.refuse(
            "a netlink socket with mapped rings",
            "CRIU's images have no place for them",
            "use plain reads and writes",
        ));
    }
    Ok(groups)
}

/// Refuses a socket with messages that wait to be read. Of a tree that runs this says nothing:
/// answers come and are read.
pub fn check_queue(file: &OpenFile) -> Result<()> {
    match peek::peek(file.fd(), &mut [0]) {
        Err(Errno::AGAIN) => Ok(()),
        // An overrun is reported once, to whoever asks first.
        Ok(_) | Err(Errno::NOBUFS) => Err(file.refuse(
            "a netlink socket with unread messages",
            "CRIU's images have no place for them",
            "let the program read its messages first",
        )),
        Err(errno) => Err(file.error("recvmsg(MSG_PEEK)", errno)),
    }
}
