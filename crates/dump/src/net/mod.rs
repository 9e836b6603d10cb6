//! Descriptors that are sockets.
//!
//! Everything here works from outside, on a duplicate of the descriptor:
//! options, queues (peeked, never read) and the kernel's own tables. Where a
//! read has to change a property of the socket, `changes` sees to it that it
//! is changed back; where packets have to be held back, `lock` does.
//!
//! The parts: `inet` (with `tcp`, `address`), `unix`, `netlink` and `packet`
//! collect one kind each; `opts` the options of all, `lost_options` those that
//! the images have no place for, `memberships` the multicast groups they have
//! no place for, either; `queue` what waits in a unix socket, `in_flight` the
//! descriptors in it;
//! `sock_diag` the kernel's tables; `refusals` what is refused by name;
//! `namespace` is a network namespace of the tree's own; `sockets` is what the
//! sockets of a tree share, `connections` what of it outlives their images.

use commensal_images::Image;
use commensal_images::messages::{FdTypes, InetSkEntry, ScmEntry, SkPacketEntry, UnixSkEntry};
use linux_raw_sys::net::{
    AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, SCM_RIGHTS, SO_DOMAIN, SOL_SOCKET,
};

use self::in_flight::{Message, Senders};
use self::opts::option;
use self::queue::Packet;
use crate::Result;
use crate::files::{FilesDump, Images, Kind, OpenFile};

mod address;
mod changes;
mod connections;
mod in_flight;
mod inet;
mod lock;
mod lost_options;
mod memberships;
pub(crate) mod namespace;
mod netlink;
mod opts;
mod packet;
mod queue;
mod refusals;
mod request;
mod sock_diag;
mod sockets;
mod tcp;
mod unix;

pub use connections::Connections;
use sockets::Policy;
pub(crate) use sockets::Sockets;

/// Unix sockets.
static UNIX: Kind = Kind {
    fd_type: FdTypes::Unixsk,
    dump: dump_unix,
};
/// Internet sockets.
static INET: Kind = Kind {
    fd_type: FdTypes::Inetsk,
    dump: dump_inet,
};
/// Netlink sockets.
static NETLINK: Kind = Kind {
    fd_type: FdTypes::Netlinksk,
    dump: dump_netlink,
};
/// Packet sockets.
static PACKET: Kind = Kind {
    fd_type: FdTypes::Packetsk,
    dump: dump_packet,
};

/// The kind of a socket.
///
/// # Errors
///
/// A refusal for a family that cannot be dumped.
pub(crate) fn classify(file: &OpenFile) -> Result<&'static Kind> {
    match option!(file, SOL_SOCKET, SO_DOMAIN)? {
        AF_UNIX => Ok(&UNIX),
        AF_INET | AF_INET6 => Ok(&INET),
        AF_NETLINK => Ok(&NETLINK),
        AF_PACKET => Ok(&PACKET),
        family => Err(refusals::family(file, family)),
    }
}

/// When all descriptors are done: saves the TCP connections, all of them held
/// back at once, and writes the unix sockets outside of the tree that the
/// restore is to connect to.
///
/// # Errors
///
/// A refusal where a socket is connected to one outside and may not be.
pub(crate) fn finish(dump: &mut FilesDump<'_>) -> Result<()> {
    let entries = unix_entries(dump)?;
    let senders = Senders::of_entries(&entries);
    let holders = dump.holders();
    let is_held = |id| holders.contains_key(&id);
    let sockets = &mut dump.sockets;
    let is_connection = |id| sockets.connections.will_save(id);
    sockets.in_flight.check(&senders, is_held, is_connection)?;
    let in_flight = std::mem::take(&mut sockets.in_flight);
    in_flight.tell_what_may_be_lost(&senders, &holders);
    for (entry, data) in in_flight.in_order(&senders, is_held)? {
        sockets.queues.entry_with_payload(&entry, &data)?;
    }
    let networks = dump.sockets.tables.networks.clone();
    dump.sockets.connections.hold_back(networks)?;
    while let Some((entry, stream)) = dump.sockets.connections.save_next()? {
        write_stream(&entry, &stream, &dump.images)?;
        let id = entry.id;
        dump.write(FdTypes::Inetsk, id, |to| to.isk = Some(entry))?;
    }
    for entry in entries {
        let id = entry.id;
        dump.write(FdTypes::Unixsk, id, |to| to.usk = Some(entry))?;
    }
    Ok(())
}

/// The entries of all unix sockets, in their order.
fn unix_entries(dump: &mut FilesDump<'_>) -> Result<Vec<UnixSkEntry>> {
    // Of a tree that runs, the other end of a connection may be in a queue, which is not read.
    if !dump.writes() && dump.sockets.may_hold_more() {
        return Ok(Vec::new());
    }
    let Sockets {
        peers,
        tables,
        policy,
        unix_entries,
        ..
    } = &mut dump.sockets;
    let mut entries = std::mem::take(unix_entries);
    for mut external in peers.finish(tables, policy)? {
        external.id = dump.fresh_id();
        entries.push(external);
    }
    Ok(unix::peers_first(entries))
}

fn dump_inet(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let kind = inet::Kind::of(file)?;
    let networks = dump.sockets.tables.networks.clone();
    let ns_id = networks.of_socket(file)?;
    if !kind.is_tcp() {
        let Sockets {
            multicast, policy, ..
        } = &mut dump.sockets;
        let groups = multicast.of(ns_id, &networks)?;
        memberships::check(file, kind.family, groups, policy.accept_loss)?;
    }
    if !dump.writes() {
        inet::check(file, &dump.sockets.policy)?;
        return look_for_lost_options(file, ns_id, dump);
    }
    match inet::dump(file, (id, ns_id), &mut dump.sockets)? {
        Some(entry) => dump.write(FdTypes::Inetsk, id, |to| to.isk = Some(entry)),
        // Its connection is saved with all others.
        None => Ok(()),
    }
}

/// Asks for options that a restore will not set, of a tree that runs.
fn look_for_lost_options(file: &OpenFile, ns_id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let kind = inet::Kind::of(file)?;
    let networks = dump.sockets.tables.networks.clone();
    let usual = dump.sockets.usual_options.entry(ns_id).or_default();
    let others = networks.inside(ns_id, || usual.others(file.fd(), kind))?;
    if !others.is_empty() {
        dump.is_unsaved(
            file,
            format!("options of the socket: {}", others.join(", ")),
        );
    }
    Ok(())
}

/// The image of a connection's state and queues.
fn write_stream(entry: &InetSkEntry, stream: &tcp::Stream, images: &Images<'_>) -> Result<()> {
    let mut image = images.entries(Image::TcpStream(entry.ino))?;
    image.entry(&stream.entry)?;
    image.payload(&stream.received)?;
    image.payload(&stream.sent)?;
    Ok(image.finish()?)
}

fn dump_unix(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    if !dump.writes() {
        unix::check(file, &mut dump.sockets, &dump.namespaces)?;
        let ns_id = dump.sockets.tables.networks.of_socket(file)?;
        return look_for_lost_options(file, ns_id, dump);
    }
    let (entry, packets) =
        unix::dump(file, id, &mut dump.sockets, (&dump.namespaces, &dump.users))?;
    dump_queue(file, id, packets, dump)?;
    dump.sockets.unix_entries.push(entry);
    Ok(())
}

/// Writes the messages of a queue, now or with all that carry descriptors; what is in flight with
/// them comes first.
fn dump_queue(
    file: &OpenFile,
    id: u32,
    packets: Vec<Packet>,
    dump: &mut FilesDump<'_>,
) -> Result<()> {
    let carries = packets.iter().any(|packet| !packet.rights.is_empty());
    let mut messages = Vec::with_capacity(packets.len());
    for packet in packets {
        messages.push(message(file, id, packet, dump)?);
    }
    let sockets = &mut dump.sockets;
    if carries {
        let place = file.place.clone();
        let queue = in_flight::Queue {
            id,
            place,
            messages,
        };
        sockets.in_flight.queues.push(queue);
        return Ok(());
    }
    for (entry, data) in messages {
        sockets.queues.entry_with_payload(&entry, &data)?;
    }
    Ok(())
}

/// A message of a queue; the files in flight with it are written.
fn message(
    file: &OpenFile,
    id_for: u32,
    packet: Packet,
    dump: &mut FilesDump<'_>,
) -> Result<Message> {
    let mut rights = Vec::with_capacity(packet.rights.len());
    for fd in packet.rights {
        let (kind, id) = dump.in_flight(fd, file.place.clone())?;
        let place = file.place.clone();
        let found = in_flight::Found { id, kind, place };
        dump.sockets.in_flight.found.push(found);
        rights.push(id);
    }
    let scm = ScmEntry {
        r#type: SCM_RIGHTS,
        rights,
    };
    let entry = SkPacketEntry {
        id_for,
        length: packet.data.len() as u32,
        scm: if scm.rights.is_empty() {
            Vec::new()
        } else {
            vec![scm]
        },
    };
    Ok((entry, packet.data))
}

fn dump_netlink(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    if dump.writes() {
        netlink::check_queue(file)?;
    }
    let entry = netlink::dump(file, id, &mut dump.sockets)?;
    if !dump.writes() {
        look_for_lost_options(file, entry.ns_id(), dump)?;
    }
    dump.write(FdTypes::Netlinksk, id, |to| to.nlsk = Some(entry))
}

fn dump_packet(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let entry = packet::dump(file, id, &mut dump.sockets)?;
    if !dump.writes() {
        look_for_lost_options(file, entry.ns_id(), dump)?;
    }
    dump.write(FdTypes::Packetsk, id, |to| to.psk = Some(entry))
}
