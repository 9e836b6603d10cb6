//! The interfaces of a network namespace (rtnetlink(7)); `parse` reads what the kernel says of them.

mod parse;

use commensal_images::messages::{NetDeviceEntry, NetnsId};
use commensal_seized::later;
use commensal_sys::Pid;

use super::kind::Kind;
use super::{Loss, fresh, refusal, settings};
use crate::files::TunDevices;
use crate::{Error, Refusal, Result};
pub use parse::read;

/// include/uapi/linux/if.h
const IFF_UP: u32 = 1;
/// One interface.
pub struct Link {
    /// `ARPHRD_*`.
    link_type: u16,
    index: u32,
    flags: u32,
    mtu: u32,
    name: String,
    address: Option<Vec<u8>>,
    /// The other end of a pair, or the interface underneath.
    other: Option<u32>,
    /// Where that is.
    other_at: At,
    /// The bridge that it is a port of.
    master: Option<u32>,
    /// What it is.
    pub kind: Kind,
    /// How many packets may wait to be sent.
    queue: Option<u32>,
    /// What it has and the images have no place for.
    lost: Vec<&'static str>,
}

/// Where the other end of an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the same network namespace.
    Here,
    /// In another one, by the id that this one has for it.
    Id(i32),
    /// In another one of the tree, by its number in the images.
    Tree(u32),
}

/// All interfaces of our thread's namespace, but for those that a new one has by itself; `ids` are
/// those that it has for others of the tree.
///
/// # Errors
///
/// Where the kernel does not answer.
pub fn all(ids: &[NetnsId]) -> Result<Vec<Link>> {
    let mut links = read().map_err(|source| Error::Netlink {
        request: "the interfaces",
        source,
    })?;
    for link in &mut links {
        let known = ids
            .iter()
            .find(|id| link.other_at == At::Id(id.netnsid_value));
        if let Some(id) = known {
            link.other_at = At::Tree(id.target_ns_id);
        }
    }
    if links.iter().any(Link::may_come_by_itself) {
        let usual = fresh::inside(read)?;
        links.retain(|link| !link.comes_by_itself(&usual));
    }
    Ok(links)
}

/// What cannot be saved of the interfaces.
///
/// # Errors
///
/// As [`all`].
pub fn check(root: Pid, ids: &[NetnsId]) -> Result<Vec<Refusal>> {
    let remedy =
        "take the interface out of the namespace (ip link set DEV netns PID) before the dump";
    let links = all(ids)?;
    let refused = links.iter().filter_map(|link| {
        let reason = link.kind.refused(link.link_type, link.leads_outside())?;
        let what = format!("in a network namespace with {}", link.title());
        Some(refusal(root, &what, reason, remedy))
    });
    Ok(refused.collect())
}

/// What the images would lack of the interfaces.
///
/// # Errors
///
/// As [`all`].
pub fn losses() -> Result<Vec<Loss>> {
    let mut losses = Vec::new();
    for link in all(&[])? {
        let of_kind = link.kind.lost()?;
        for lost in link.lost.iter().copied().chain(of_kind) {
            losses.push(Loss {
                what: format!("the interface {} with {lost}", link.name),
                reason: "the images have no place for that",
                remedy: "undo it before the dump, or accept the loss: --accept-loss",
            });
        }
    }
    Ok(losses)
}

/// Of an interface that no task of the tree has open.
fn lose_header(name: &str, root: Pid, accept_loss: bool) -> Result<(), Refusal> {
    let what = format!("in a network namespace with {name}, which no task of the tree has open");
    let reason = "only who has a tun or tap device open is told the length of its packets' \
                  headers (IFF_VNET_HDR): a restore gives them the usual one";
    if accept_loss {
        later(move || tracing::warn!("task {root} is {what}: {reason}"));
        return Ok(());
    }
    let remedy = "delete the interface before the dump, or accept the loss: --accept-loss";
    Err(refusal(root, &what, reason, remedy))
}

impl Link {
    /// Whether it could be one that some modules of the kernel add to every namespace, such as sit0
    /// and tunl0, and nobody has begun to use.
    fn may_come_by_itself(&self) -> bool {
        matches!(self.kind, Kind::Other(_)) && self.flags & IFF_UP == 0
    }

    /// Whether it is one of `usual`, those of a new namespace.
    fn comes_by_itself(&self, usual: &[Self]) -> bool {
        let same = |other: &Self| other.name == self.name && other.kind.is_same(&self.kind);
        self.may_come_by_itself() && usual.iter().any(same)
    }

    /// Whether its other end is in a namespace that no task of the tree lives in.
    fn leads_outside(&self) -> bool {
        matches!(self.other_at, At::Id(_))
    }

    /// Its name, if it is an end of a veth pair, and whether the other one is outside.
    pub fn veth(&self) -> Option<(&str, bool)> {
        matches!(self.kind, Kind::Veth).then_some((&*self.name, self.leads_outside()))
    }

    fn title(&self) -> String {
        match &self.kind {
            Kind::Tun(_) => format!(
                "{}, a tun device of link type {}",
                self.name, self.link_type
            ),
            Kind::Other(kind) if !kind.is_empty() => {
                format!("the interface {} of kind {kind}", self.name)
            }
            _ => format!("the interface {}", self.name),
        }
    }

    /// Tells what a restore must be given to make it again, if it must be, and what it forgets.
    pub fn advise(&self) {
        let name = &self.name;
        let usual = self.kind.usual_queues();
        if let Some(packets) = self.queue.filter(|packets| !usual.contains(packets)) {
            let what = format!("the length of the queue of {name}, {packets} packets,");
            later(move || tracing::warn!("{what} is not restored (ip link set txqueuelen)"));
        }
        let (what, option) = match self.kind {
            Kind::Veth if self.leads_outside() => (
                "one end of a veth pair whose other end is outside of the namespace",
                format!("veth[{name}]:NAME, with the name of the other end"),
            ),
            Kind::Macvlan { .. } => (
                "a macvlan on an interface outside of the namespace",
                format!("macvlan[{name}]:NAME, with the name of that interface"),
            ),
            _ => return,
        };
        let advice = format!("{name} is {what}: give the restore --external {option}");
        later(move || tracing::warn!("{advice}"));
    }

    /// Its entry, in the namespace `id`; `devices` are those that tasks of the tree have open.
    ///
    /// # Errors
    ///
    /// A refusal of a tun or tap device that none of them has open, unless that is accepted.
    pub fn entry(
        &self,
        id: u32,
        devices: &TunDevices,
        root: Pid,
        accept_loss: bool,
    ) -> Result<NetDeviceEntry> {
        let device = devices.get(&(id, self.name.clone().into_bytes()));
        if self.kind.has_header() && device.is_none() {
            lose_header(&self.name, root, accept_loss)?;
        }
        let (conf4, conf6) = settings::of_interface(&self.name);
        let is_loopback = matches!(self.kind, Kind::Loopback);
        Ok(NetDeviceEntry {
            r#type: self.kind.image_type().into(),
            ifindex: self.index,
            mtu: self.mtu,
            flags: self.flags,
            name: self.name.clone().into_bytes(),
            tun: self.kind.tun(device),
            macvlan: self.kind.macvlan(),
            address: self.address.clone().filter(|_| !is_loopback),
            master: self.master,
            conf4,
            conf6,
            peer_ifindex: Some(self.other.unwrap_or(self.index)),
            peer_nsid: match self.other_at {
                At::Here => Some(id),
                At::Tree(other) => Some(other),
                At::Id(_) => None,
            },
            ..NetDeviceEntry::default()
        })
    }
}

#[cfg(test)]
mod tests;
