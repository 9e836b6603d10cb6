//! Descriptors in flight in unix sockets, of which some no task has open.
//!
//! CRIU's restore gives each to the task that will send it, queue after queue as the image has them:
//! before it comes to a queue, it must have given somebody the socket that sends what is in it. So
//! the queues that carry descriptors are written last, each behind those that carry its sender.
//! Sockets that nobody sends to get a sender of the restore's own, but earlier, when those that only
//! a queue holds belong to no task yet: the restore crashes on them.

use std::collections::{HashMap, HashSet};

use commensal_images::messages::{FdTypes, SkPacketEntry, UnixSkEntry};
use commensal_seized::later;
use commensal_sys::Pid;
use linux_raw_sys::net::SOCK_DGRAM;

use super::tcp::State;
use crate::{Error, Place, Refusal, Result};

const ESTABLISHED: u32 = State::Established as u32;

/// A message and its bytes.
pub type Message = (SkPacketEntry, Vec<u8>);

/// What was found in the queues of a tree's unix sockets.
#[derive(Debug, Default)]
pub struct InFlight {
    /// Every descriptor.
    pub found: Vec<Found>,
    /// The queues that carry some.
    pub queues: Vec<Queue>,
}

/// A descriptor in flight.
#[derive(Debug)]
pub struct Found {
    /// Of its entry in the images.
    pub id: u32,
    /// What it is.
    pub kind: FdTypes,
    /// The socket that it is in flight in.
    pub place: Place,
}

/// A queue that carries descriptors.
#[derive(Debug)]
pub struct Queue {
    /// The socket that will receive it.
    pub id: u32,
    /// Where that is.
    pub place: Place,
    /// What is in it.
    pub messages: Vec<Message>,
}

impl InFlight {
    /// Refuses what nothing but a queue holds, and CRIU's restore looks for among the descriptors of
    /// a task: timers, watches and TCP connections, which it completes under their number, and unix
    /// sockets that it makes a sender for.
    ///
    /// # Errors
    ///
    /// The refusals.
    pub fn check(
        &self,
        senders: &Senders,
        is_held: impl Fn(u32) -> bool,
        is_connection: impl Fn(u32) -> bool,
    ) -> Result<()> {
        let alone = self.found.iter().filter(|found| !is_held(found.id));
        let refusals: Vec<Refusal> = alone
            .filter_map(|found| {
                let what = match found.kind {
                    FdTypes::Unixsk if senders.makes_one_for(found.id) => {
                        "another unix socket, which nothing is connected to,"
                    }
                    FdTypes::Inetsk if is_connection(found.id) => "a TCP connection",
                    FdTypes::Timerfd => "a timerfd",
                    FdTypes::Inotify => "an inotify instance",
                    _ => return None,
                };
                Some(refusal(what, &found.place))
            })
            .collect();
        refuse_any(refusals)
    }

    /// Tells which messages a restore may lose. It sends what is unread in a pair when it comes to the
    /// pair again after all else that the task has, and goes on without a message if a descriptor in it
    /// is not there by then: it has to come from another task, or is a terminal, which is opened late.
    pub fn tell_what_may_be_lost(&self, senders: &Senders, holders: &HashMap<u32, Pid>) {
        let terminals = self.found.iter().filter(|found| found.kind == FdTypes::Tty);
        let terminals: HashSet<u32> = terminals.map(|found| found.id).collect();
        for queue in &self.queues {
            let owner = senders.of_pair(queue.id).and_then(|id| holders.get(&id));
            let Some(owner) = owner else { continue };
            let is_late = |id: &u32| {
                let elsewhere = holders.get(id).is_some_and(|holder| holder != owner);
                elsewhere || terminals.contains(id)
            };
            if queue.rights().any(is_late) {
                let place = queue.place.clone();
                later(move || {
                    tracing::warn!(
                        "{place}: a restore may lose the unread messages, as a descriptor in flight with them \
                         is a terminal or of another task than the one that sends them"
                    )
                });
            }
        }
    }

    /// The messages of the queues that carry descriptors, in the order of the image.
    ///
    /// # Errors
    ///
    /// A refusal where the sender of a queue is in flight in nothing but what it is to send.
    pub fn in_order(
        self,
        senders: &Senders,
        is_held: impl Fn(u32) -> bool,
    ) -> Result<impl Iterator<Item = Message>> {
        let mut given: HashSet<u32> = HashSet::new();
        let mut ordered = Vec::with_capacity(self.queues.len());
        let mut waiting = self.queues;
        while !waiting.is_empty() {
            let is_ready = |queue: &Queue| match senders.of(queue.id) {
                Some(sender) => is_held(sender) || given.contains(&sender),
                None => true,
            };
            let (ready, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_ready);
            if ready.is_empty() {
                let what = "the only descriptor of a unix socket connected to it";
                let refused = others.iter().map(|queue| refusal(what, &queue.place));
                refuse_any(refused.collect())?;
            }
            given.extend(ready.iter().flat_map(Queue::rights));
            ordered.extend(ready);
            waiting = others;
        }
        Ok(ordered.into_iter().flat_map(|queue| queue.messages))
    }
}

impl Queue {
    /// The ids of the descriptors in it.
    fn rights(&self) -> impl Iterator<Item = &u32> {
        let scms = self.messages.iter().flat_map(|(entry, _)| &entry.scm);
        scms.flat_map(|scm| &scm.rights)
    }
}

fn refusal(what: &str, place: &Place) -> Refusal {
    Refusal {
        what: format!("a socket with {what} in flight that no task has open"),
        place: place.clone(),
        reason: "CRIU's restore cannot set up one that only a queue holds".to_owned(),
        remedy: "let the program receive it first, or keep a descriptor of it".to_owned(),
    }
}

fn refuse_any(refusals: Vec<Refusal>) -> Result<()> {
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(Error::Refused(refusals)),
    }
}

/// Which socket the restore sends what is in another one's queue with, by their ids.
#[derive(Debug, Default)]
pub struct Senders {
    of: HashMap<u32, u32>,
    /// Sockets for which it makes one, as nothing is connected to them.
    made: HashSet<u32>,
    /// Sockets that are connected to each other.
    pairs: HashSet<u32>,
}

impl Senders {
    /// Of sockets in the order in which the restore reads them: the first that is connected to a
    /// socket which was read before, or at the other end of a pair.
    pub fn of_entries(entries: &[UnixSkEntry]) -> Self {
        let mut read: HashMap<u32, &UnixSkEntry> = HashMap::new();
        let (mut of, mut connected, mut pairs) = (HashMap::new(), HashSet::new(), HashSet::new());
        for entry in entries {
            read.insert(entry.ino, entry);
            let Some(peer) = read.get(&entry.peer) else {
                continue;
            };
            of.entry(peer.id).or_insert(entry.id);
            connected.insert(entry.id);
            if peer.peer == entry.ino {
                of.entry(entry.id).or_insert(peer.id);
                connected.insert(peer.id);
                pairs.extend([entry.id, peer.id]);
            }
        }
        let dangles = |entry: &&UnixSkEntry| {
            entry.r#type == SOCK_DGRAM
                || entry.state == ESTABLISHED && !connected.contains(&entry.id)
        };
        let made = entries.iter().filter(dangles).map(|entry| entry.id);
        let made = made.filter(|id| !of.contains_key(id)).collect();
        Self { of, made, pairs }
    }

    fn of(&self, id: u32) -> Option<u32> {
        self.of.get(&id).copied()
    }

    /// The other end of a pair.
    fn of_pair(&self, id: u32) -> Option<u32> {
        self.of(id).filter(|_| self.pairs.contains(&id))
    }

    fn makes_one_for(&self, id: u32) -> bool {
        self.made.contains(&id)
    }
}

#[cfg(test)]
mod tests;
