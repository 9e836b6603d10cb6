//! Internet sockets: TCP, UDP, UDP-Lite, ICMP and raw, of IPv4 and IPv6.

use commensal_images::messages::{InetSkEntry, SkShutdown};
use commensal_seized::later;
use commensal_sys::sockio;
use linux_raw_sys::net::*;
use rustix::event::PollFlags;

use super::address::Connection;
use super::opts::{self, option, switch};
use super::tcp::{Info, State};
use super::{Policy, Sockets, refusals};
use crate::Result;
use crate::files::OpenFile;

const TCP: u32 = IPPROTO_TCP as u32;
const UDP: u32 = IPPROTO_UDP as u32;
const UDPLITE: u32 = IPPROTO_UDPLITE as u32;

/// What kind of socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// `AF_INET` and so on.
    pub family: u32,
    /// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_RAW`.
    pub kind: u32,
    /// `IPPROTO_TCP` and so on.
    pub protocol: u32,
}

impl Kind {
    /// Asks for it.
    pub fn of(file: &OpenFile) -> Result<Self> {
        Ok(Self {
            family: option!(file, SOL_SOCKET, SO_DOMAIN)?,
            kind: option!(file, SOL_SOCKET, SO_TYPE)?,
            protocol: option!(file, SOL_SOCKET, SO_PROTOCOL)?,
        })
    }

    /// Whether it is a TCP socket, not a raw one.
    pub fn is_tcp(self) -> bool {
        self.protocol == TCP && self.kind != SOCK_RAW
    }

    /// Whether it is a UDP or UDP-Lite socket, not a raw one.
    pub fn is_udp(self) -> bool {
        matches!(self.protocol, UDP | UDPLITE) && self.kind != SOCK_RAW
    }
}

/// Refuses what can never be dumped, before anything is touched.
pub fn check(file: &OpenFile, policy: &Policy) -> Result<()> {
    let kind = Kind::of(file)?;
    refusals::inet_protocol(file, kind.kind, kind.protocol)?;
    if kind.is_udp() && opts::is_corked(file)? {
        return Err(refusals::corked(file));
    }
    if kind.is_tcp() {
        refusals::tcp_state(file, &Info::of(file)?, policy)?;
        refusals::tcp_layers(file)?;
    }
    Ok(())
}

/// Collects a socket; gives no entry where it has a connection that is to be
/// saved with all others.
pub fn dump(
    file: &OpenFile,
    (id, ns_id): (u32, u32),
    sockets: &mut Sockets<'_>,
) -> Result<Option<InetSkEntry>> {
    check(file, &sockets.policy)?;
    let kind = Kind::of(file)?;
    let connection = Connection::of(file, kind.family)?;
    let mut entry = InetSkEntry {
        id,
        ino: file.stat.ino as u32,
        family: kind.family,
        r#type: kind.kind,
        proto: kind.protocol,
        state: State::Close as u32,
        src_port: connection.local.port.into(),
        dst_port: connection.peer.port.into(),
        flags: file.flags,
        src_addr: connection.local.words(),
        dst_addr: connection.peer.words(),
        fown: file.owner.clone(),
        opts: opts::common(file, kind.family)?,
        ip_opts: Some(opts::ip(file, kind.family, kind.kind, kind.protocol)?),
        ns_id: Some(ns_id),
        ..InetSkEntry::default()
    };
    if kind.family == AF_INET6 {
        entry.v6only = Some(switch!(file, SOL_IPV6, IPV6_V6ONLY)?);
        entry.ifname = interface(file, &connection)?;
    }
    if kind.is_tcp() {
        tcp_state(file, &mut entry, &sockets.policy)?;
    } else if connection.peer.port != 0 {
        entry.state = State::Established as u32;
    }
    if kind.is_udp() {
        entry.shutdown = udp_shutdown(file, kind, sockets)?;
        warn_of_queue(file)?;
    }
    // CRIU has this message in every entry, also where it is empty.
    entry.tcp_opts.get_or_insert_default();
    let saved = kind.is_tcp() && connection.peer.port != 0 && !sockets.policy.tcp_close;
    if saved {
        sockets.connections.add(file, entry, connection)?;
        return Ok(None);
    }
    Ok(Some(entry))
}

/// Fills in what only TCP has.
fn tcp_state(file: &OpenFile, entry: &mut InetSkEntry, policy: &Policy) -> Result<()> {
    entry.tcp_opts = Some(opts::tcp(file)?);
    let info = Info::of(file)?;
    refusals::in_flight(file, &info, policy)?;
    entry.state = info.raw_state().into();
    if info.state() == Some(State::Listen) {
        entry.backlog = info.sacked;
    } else {
        entry.shutdown = tcp_shutdown(file, &info)?;
    }
    Ok(())
}

/// In which directions a TCP socket was shut down. No call tells it, but the
/// state does for sending and poll(2) for receiving.
fn tcp_shutdown(file: &OpenFile, info: &Info) -> Result<Option<i32>> {
    use State::*;
    let events = file.poll(PollFlags::RDHUP)?;
    let receive = events.contains(PollFlags::RDHUP);
    // Of a closed socket only the receiving direction can be told.
    let send = matches!(info.state(), Some(FinWait1 | FinWait2 | Closing | LastAck));
    Ok(shutdown_value(receive, send))
}

/// As the images have it; a socket with both directions open has none.
fn shutdown_value(receive: bool, send: bool) -> Option<i32> {
    match (receive, send) {
        (false, false) => None,
        (true, false) => Some(SkShutdown::Read as i32),
        (false, true) => Some(SkShutdown::Write as i32),
        (true, true) => Some(SkShutdown::Both as i32),
    }
}

fn udp_shutdown(file: &OpenFile, kind: Kind, sockets: &mut Sockets<'_>) -> Result<Option<i32>> {
    let inode = file.stat.ino as u32;
    let bits = sockets
        .tables
        .udp_shutdown(kind.family as u8, kind.protocol as u8, inode)?;
    Ok(shutdown_value(bits & 1 != 0, bits & 2 != 0))
}

/// UDP may lose datagrams, and CRIU's images have no place for them.
fn warn_of_queue(file: &OpenFile) -> Result<()> {
    let bytes = file.ask("ioctl(SIOCINQ)", |fd| sockio::receive_queue(fd))?;
    if bytes > 0 {
        let place = file.place.clone();
        later(move || tracing::warn!(%place, "unread datagrams are lost on the way"));
    }
    Ok(())
}

/// The interface of an address that means nothing without one.
fn interface(file: &OpenFile, connection: &Connection) -> Result<Option<Vec<u8>>> {
    if connection.local.port == 0 || !connection.local.needs_interface() {
        return Ok(None);
    }
    match opts::bound_device(file)? {
        Some(name) => Ok(Some(name)),
        None => Err(refusals::no_interface(file)),
    }
}
