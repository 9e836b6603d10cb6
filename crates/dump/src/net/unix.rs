//! Unix sockets: streams, datagrams and sequenced packets.

use commensal_images::messages::{FilePermsEntry, SkShutdown, UnixSkEntry};
use commensal_sys::{Errno, sockio};
use linux_raw_sys::net::{AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
use rustix::event::PollFlags;
use rustix::net::{RecvFlags, recv};

use super::queue::{Packet, Queue};
use super::sock_diag::UnixSocket;
use super::tcp::State;
use super::{Sockets, opts};
use crate::Result;
use crate::files::OpenFile;
use crate::mnt::Namespaces;
use crate::userns::Users;

mod name;
mod order;
mod peers;

use name::Name;
pub use order::peers_first;
pub use peers::Peers;

const LISTEN: u8 = State::Listen as u8;
const ESTABLISHED: u8 = State::Established as u8;
const CLOSE: u8 = State::Close as u8;

/// Collects a socket and what waits in it.
pub fn dump(
    file: &OpenFile,
    id: u32,
    sockets: &mut Sockets<'_>,
    (namespaces, users): (&Namespaces, &Users),
) -> Result<(UnixSkEntry, Vec<Packet>)> {
    let ns_id = sockets.tables.networks.of_socket(file)?;
    let inode = file.stat.ino as u32;
    let Some(socket) = sockets.tables.unix()?.get(&inode).cloned() else {
        return Err(foreign(file));
    };
    supported(file, &socket)?;
    if u32::from(socket.kind) == SOCK_STREAM && socket.receive_queue > 0 && is_urgent(file)? {
        file.lose(
            "a unix socket with an urgent byte unread (MSG_OOB)",
            "the restore makes an ordinary byte of it",
            sockets.policy.accept_loss,
        )?;
    }
    let name = name::resolve(file, &socket.name, namespaces)?;
    let file_perms = name.as_ref().map(|name| permissions(file, name, users));
    let packets = match queue(file, &socket)? {
        Some(queue) => queue.read(file, &mut sockets.connections.changes)?,
        None => Vec::new(),
    };
    if u32::from(socket.kind) == SOCK_DGRAM
        && !peers::sends_all(sockets.tables.unix()?, inode, &packets)
    {
        file.lose(
            "a unix datagram socket whose unread messages are not all from one socket that is \
             connected to it",
            "the restore sends all of them from one socket, so that the program takes that for \
             their sender",
            sockets.policy.accept_loss,
        )?;
    }
    let entry = UnixSkEntry {
        id,
        ino: inode,
        r#type: socket.kind.into(),
        state: socket.state.into(),
        flags: file.flags,
        uflags: 0,
        backlog: socket.send_queue,
        peer: sockets
            .peers
            .meet(file, inode, sockets.tables.unix()?)?
            .unwrap_or(0),
        fown: file.owner.clone(),
        opts: opts::common(file, AF_UNIX)?,
        name: socket.name.clone(),
        shutdown: shutdown(socket.shutdown),
        mnt_id: name
            .as_ref()
            .and_then(|name| namespaces.mount_for_image(name.mnt_id))
            .map(|id| id as i32),
        file_perms: file_perms.transpose()?,
        deleted: name
            .as_ref()
            .is_some_and(|name| name.deleted)
            .then_some(true),
        name_dir: name.and_then(|name| name.dir),
        ns_id: Some(ns_id),
    };
    Ok((entry, packets))
}

/// Mode and owner of a socket's file, as the tree calls them.
fn permissions(file: &OpenFile, name: &Name, users: &Users) -> Result<FilePermsEntry> {
    let what = "a unix socket that is bound to a file";
    let owner = users.owner(name.owner);
    let (uid, gid) = owner.map_err(|unmapped| unmapped.refuse(what, file.place.clone()))?;
    Ok(FilePermsEntry {
        mode: name.mode,
        uid,
        gid,
    })
}

/// Refuses what can never be dumped. The tree still runs: a socket that is not
/// in the table was made after that was read.
pub fn check(file: &OpenFile, sockets: &mut Sockets<'_>, namespaces: &Namespaces) -> Result<()> {
    sockets.tables.networks.of_socket(file)?;
    let inode = file.stat.ino as u32;
    let table = sockets.tables.unix()?;
    let Some(socket) = table.get(&inode) else {
        return Ok(());
    };
    supported(file, socket)?;
    name::check(file, &socket.name, namespaces)?;
    sockets.unread |= socket.receive_queue > 0;
    // Connections that wait to be accepted come and go.
    if socket.peer == 0 || !table.contains_key(&socket.peer) {
        sockets.peers.note(inode);
        return Ok(());
    }
    sockets.peers.meet(file, inode, table).map(drop)
}

fn supported(file: &OpenFile, socket: &UnixSocket) -> Result<()> {
    if !matches!(
        socket.kind.into(),
        SOCK_STREAM | SOCK_DGRAM | SOCK_SEQPACKET
    ) {
        return Err(file.refuse(
            format!("a unix socket of type {}", socket.kind),
            "CRIU's images have no place for it",
            "close it before the dump",
        ));
    }
    if !matches!(socket.state, LISTEN | ESTABLISHED | CLOSE) {
        return Err(file.refuse(
            format!("a unix socket in state {}", socket.state),
            "this state cannot be restored",
            "wait until the connection is made or closed",
        ));
    }
    Ok(())
}

/// The queue, where something is in it.
fn queue(file: &OpenFile, socket: &UnixSocket) -> Result<Option<Queue>> {
    if socket.state == LISTEN {
        return Ok(None);
    }
    let kind = u32::from(socket.kind);
    let receiving = socket.shutdown & 1 == 0;
    // An empty message counts no byte, but it makes the socket readable.
    let may_be_empty = kind != SOCK_STREAM && receiving && is_readable(file)?;
    if socket.receive_queue == 0 && !may_be_empty {
        return Ok(None);
    }
    Ok(Some(Queue {
        is_stream: kind == SOCK_STREAM,
        ends: kind == SOCK_STREAM || kind == SOCK_SEQPACKET && !receiving,
        // Of a datagram socket only the first message is counted.
        len: (kind != SOCK_DGRAM).then_some(socket.receive_queue as usize),
    }))
}

fn is_readable(file: &OpenFile) -> Result<bool> {
    Ok(file.poll(PollFlags::IN)?.contains(PollFlags::IN))
}

/// Whether a stream has a byte that was sent as urgent and is read apart from the others.
fn is_urgent(file: &OpenFile) -> Result<bool> {
    let flags = RecvFlags::OOB | RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match recv(file.fd(), &mut [0u8; 1], flags) {
        Ok((_, length)) => Ok(length > 0),
        Err(Errno::INVAL | Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOTCONN) => Ok(false),
        Err(errno) => Err(file.error("recv(MSG_OOB)", errno)),
    }
}

fn shutdown(bits: u8) -> Option<i32> {
    match bits & 3 {
        1 => Some(SkShutdown::Read as i32),
        2 => Some(SkShutdown::Write as i32),
        3 => Some(SkShutdown::Both as i32),
        _ => None,
    }
}

/// A socket that is not in the table of our network namespace.
fn foreign(file: &OpenFile) -> crate::Error {
    file.refuse(
        "a unix socket of another network namespace",
        "its peer and its name cannot be asked for from here",
        "dump it from inside its network namespace",
    )
}

/// Opens the file the socket is bound to.
fn bound_file(file: &OpenFile) -> Result<std::os::fd::OwnedFd> {
    file.ask("ioctl(SIOCUNIXFILE)", |fd| sockio::unix_file(fd))
}
