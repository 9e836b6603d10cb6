//! Who is connected to whom, and whether both ends are in the tree.

use std::collections::{HashMap, HashSet};

use commensal_images::messages::{FownEntry, SkOptsEntry, UnixSkEntry};
use linux_raw_sys::net::SOCK_DGRAM;

use super::{ESTABLISHED, LISTEN};
use crate::files::OpenFile;
use crate::net::Policy;
use crate::net::queue::Packet;
use crate::net::sock_diag::{Tables, UnixSocket};
use crate::{Error, Place, Refusal, Result};

/// `uflags` of a socket that the restore is to find, not to make.
const EXTERN: u32 = 1;

type Table = HashMap<u32, UnixSocket>;

/// The sockets that were met so far.
#[derive(Debug, Default)]
pub struct Peers {
    dumped: HashSet<u32>,
    /// Sockets whose peer was not met before them.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    inode: u32,
    peer: u32,
    place: Place,
}

/// Whether the restore sends the messages in a datagram socket's queue under the names of their
/// senders: it takes any socket that is connected to this one, or else a new one without a name.
pub fn sends_all(table: &Table, inode: u32, packets: &[Packet]) -> bool {
    let connected = table.values().filter(|socket| socket.peer == inode);
    let mut names = connected.map(|socket| socket.name.as_slice());
    let name = names.next().unwrap_or_default();
    names.all(|other| other == name) && packets.iter().all(|packet| packet.sender == name)
}

impl Peers {
    /// Remembers a socket of the tree whose peer does not matter.
    pub(super) fn note(&mut self, inode: u32) {
        self.dumped.insert(inode);
    }

    /// Meets a socket of the tree; gives the inode of what it is to be
    /// connected to, if anything.
    pub(super) fn meet(
        &mut self,
        file: &OpenFile,
        inode: u32,
        table: &Table,
    ) -> Result<Option<u32>> {
        self.dumped.insert(inode);
        let Some(socket) = table.get(&inode) else {
            return Ok(None);
        };
        let peer = socket.peer;
        if peer != 0 {
            reachable(file, inode, peer, table)?;
            if !self.dumped.contains(&peer) {
                self.open.push(Open {
                    inode,
                    peer,
                    place: file.place.clone(),
                });
            }
            return Ok(Some(peer));
        }
        if socket.state == LISTEN && socket.waiting.contains(&0) {
            return Err(file.refuse(
                "a listening unix socket with a connection that was closed before it was accepted",
                "what that connection has sent cannot be read",
                "let the program accept its connections first",
            ));
        }
        if socket.state != ESTABLISHED || u32::from(socket.kind) == SOCK_DGRAM {
            return Ok(None);
        }
        // A connection that waits to be accepted has no peer yet.
        match table
            .iter()
            .find(|(_, other)| other.waiting.contains(&inode))
        {
            Some((listener, _)) if socket.send_queue == 0 => {
                self.open.push(Open {
                    inode,
                    peer: *listener,
                    place: file.place.clone(),
                });
                Ok(Some(*listener))
            }
            Some(_) => Err(file.refuse(
                "a unix socket that has sent data and was not accepted yet",
                "what it has sent cannot be read",
                "let the listening program accept the connection first",
            )),
            None if socket.shutdown & 3 == 3 => Ok(None),
            None => Err(file.refuse(
                "a connected unix socket without a peer",
                "its other end is in a network namespace that is not seen from here",
                "dump it from inside its network namespace",
            )),
        }
    }

    /// When all sockets of the tree were met: the entries of those that are
    /// outside and that the restore is to find, still without ids.
    ///
    /// # Errors
    ///
    /// Refuses every connection to a socket outside that was not allowed.
    pub fn finish(&mut self, tables: &mut Tables, policy: &Policy) -> Result<Vec<UnixSkEntry>> {
        if self.open.is_empty() {
            return Ok(Vec::new());
        }
        let table = tables.unix()?;
        let mut refusals = Vec::new();
        let mut entries: Vec<UnixSkEntry> = Vec::new();
        for open in std::mem::take(&mut self.open) {
            if self.dumped.contains(&open.peer) {
                continue;
            }
            let Some(peer) = table.get(&open.peer) else {
                continue;
            };
            if !policy.externals.contains(&open.inode) {
                refusals.extend(refuse_external(&open, peer, policy.external_unix));
            }
            if entries.iter().all(|entry| entry.ino != open.peer) {
                entries.push(external(open.peer, peer));
            }
        }
        if refusals.is_empty() {
            Ok(entries)
        } else {
            Err(Error::Refused(refusals))
        }
    }
}

/// A peer must be connected back, or have a name to connect to.
fn reachable(file: &OpenFile, inode: u32, peer: u32, table: &Table) -> Result<()> {
    match table.get(&peer) {
        Some(other) if other.peer == inode || !other.name.is_empty() => Ok(()),
        _ => Err(file.refuse(
            "a unix socket connected to one that has neither a name nor a connection back",
            "a restore could not connect to it",
            "bind the other socket to a name",
        )),
    }
}

fn refuse_external(open: &Open, peer: &UnixSocket, all_allowed: bool) -> Option<Refusal> {
    let inode = open.inode;
    let (reason, remedy) = if !all_allowed {
        (
            "the other end would lose its connection".to_owned(),
            format!(
                "dump the tree that holds both ends, name it with --external unix[{inode}], or \
                 allow named datagram sockets with --ext-unix-sk"
            ),
        )
    } else if u32::from(peer.kind) != SOCK_DGRAM {
        (
            "half of a connection cannot be restored".to_owned(),
            format!("dump the tree that holds both ends, or name it with --external unix[{inode}]"),
        )
    } else if peer.name.is_empty() {
        (
            "the other end has no name to connect to again".to_owned(),
            "bind the other end to a name".to_owned(),
        )
    } else {
        return None;
    };
    Some(Refusal {
        what: "a unix socket connected to one outside of the tree".to_owned(),
        place: open.place.clone(),
        reason,
        remedy,
    })
}

fn external(inode: u32, socket: &UnixSocket) -> UnixSkEntry {
    UnixSkEntry {
        ino: inode,
        r#type: SOCK_DGRAM,
        state: LISTEN.into(),
        uflags: EXTERN,
        fown: FownEntry::default(),
        opts: SkOptsEntry::default(),
        name: socket.name.clone(),
        ..UnixSkEntry::default()
    }
}
