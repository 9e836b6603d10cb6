//! `/dev/net/tun`: the program's end of a network interface
//! (Documentation/networking/tuntap.rst).
//!
//! The restore makes the interface first, from the image of the network namespace, and attaches
//! the descriptor to it. So both must be of the tree's own namespace, and what only a descriptor
//! tells of its interface is kept here for that image.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use commensal_images::messages::{FdTypes, TunfileEntry};
use commensal_seized::later;
use commensal_sys::{Errno, sockio, tun};
use linux_raw_sys::if_tun::{IFF_DETACH_QUEUE, IFF_NO_PI, IFF_TAP, IFF_VNET_HDR};
use rustix::event::PollFlags;
use rustix::net::{AddressFamily, SocketType, socket};

use super::kind::Kind;
use super::{FilesDump, OpenFile, Stat, regular};
use crate::Result;

/// Descriptors of tun and tap devices.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Tunf,
    dump,
};

/// The limit of a new descriptor, in bytes (`INT_MAX`, drivers/net/tun.c).
pub const USUAL_SEND_BUFFER: u32 = i32::MAX as u32;

/// What of an interface only a descriptor that is attached to it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// The flags of TUNSETIFF that made it, but for `IFF_NO_PI`.
    pub flags: u32,
    /// The length of the header in front of each packet, in bytes.
    pub header: u32,
}

/// The interfaces that descriptors of the tree are attached to, by the number of their network
/// namespace and their name.
pub type Devices = HashMap<(u32, Vec<u8>), Device>;

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let device = file.ask("ioctl(TUNGETIFF)", tun::device)?;
    let ns_id = namespace(file, device.is_some(), dump)?;
    if let Some(device) = &device {
        check(file, device, ns_id, dump)?;
        let settings = Device {
            flags: u32::from(device.flags) & !(IFF_DETACH_QUEUE | IFF_NO_PI),
            header: number(file, "ioctl(TUNGETVNETHDRSZ)", tun::header_length)?,
        };
        dump.tun_devices
            .insert((ns_id, device.name.clone()), settings);
        if dump.writes() {
            warn_of_packets(file)?;
        }
    }
    // The restore opens the file of the same id.
    (regular::KIND.dump)(file, id, dump)?;
    let detached = |device: &tun::Device| u32::from(device.flags) & IFF_DETACH_QUEUE != 0;
    let entry = TunfileEntry {
        id,
        detached: device.as_ref().is_some_and(detached).then_some(true),
        netdev: device.map(|device| device.name),
        ns_id: Some(ns_id),
    };
    dump.write(FdTypes::Tunf, id, |to| to.tunf = Some(entry))
}

/// The id of the network namespace that the descriptor and its interface are in.
fn namespace(file: &OpenFile, attached: bool, dump: &FilesDump<'_>) -> Result<u32> {
    let number = |namespace: OwnedFd| -> Result<Option<u32>> {
        let inode = file.ask("statx", |_| Stat::of(namespace.as_fd()))?.ino;
        let networks = dump.networks();
        let id = networks.id_of(inode);
        Ok(id.filter(|id| networks.is_saved(*id, dump.options)))
    };
    let opened_in = number(file.ask("ioctl(SIOCGSKNS)", |fd| sockio::network_namespace(fd))?)?;
    let device_in = match attached {
        true => number(file.ask("ioctl(TUNGETDEVNETNS)", tun::network_namespace)?)?,
        false => opened_in,
    };
    match (opened_in, device_in) {
        (Some(id), Some(other)) if id == other => Ok(id),
        (Some(_), Some(_)) => Err(file.refuse(
            "a tun or tap device that was moved into another network namespace",
            "the restore makes it where its descriptor was opened",
            "move it back before the dump (ip link set DEV netns PID)",
        )),
        _ => Err(file.refuse(
            "a tun or tap device outside of a network namespace of the tree's own",
            "its interface stays behind in a namespace that is not dumped",
            "close it before the dump, or run the tree in a network namespace of its own \
             (unshare --net) and dump that",
        )),
    }
}

/// What the images of an interface have no place for.
fn check(file: &OpenFile, device: &tun::Device, ns_id: u32, dump: &FilesDump<'_>) -> Result<()> {
    let accepted = dump.options.accept_loss;
    let flags = u32::from(device.flags);
    let name = String::from_utf8_lossy(&device.name);
    if flags & IFF_TAP != 0 && file.ask("ioctl(TUNGETFILTER)", tun::has_filter)? {
        return Err(file.refuse(
            format!("the tap device {name} with a packet filter (TUNATTACHFILTER)"),
            "the kernel does not give the filter back",
            "let the program detach the filter first",
        ));
    }
    if number(file, "ioctl(TUNGETSNDBUF)", tun::send_buffer)? != USUAL_SEND_BUFFER {
        file.lose(
            format!("the device {name} with a limit of what is on the way (TUNSETSNDBUF)"),
            "the restore limits another descriptor of the device than this one",
            accepted,
        )?;
    }
    if flags & IFF_VNET_HDR == 0 {
        return Ok(());
    }
    if file.ask("ioctl(TUNGETVNETLE)", tun::is_little_endian)? {
        file.lose(
            format!("the device {name} with little-endian headers (TUNSETVNETLE)"),
            "the images have no place for it; on this machine it makes no difference",
            accepted,
        )?;
    }
    let networks = dump.networks();
    let offloads = networks.inside(ns_id, || offloads(&device.name))?;
    if file.ask("ioctl(SIOCETHTOOL)", |_| offloads)? {
        file.lose(
            format!("the device {name} that leaves work to the program (TUNSETOFFLOAD)"),
            "the images have no place for it: after a restore the kernel does the work itself",
            accepted,
        )?;
    }
    Ok(())
}

fn offloads(name: &[u8]) -> Result<bool, Errno> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    tun::offloads_checksums(socket.as_fd(), name)
}

/// A network may lose packets, and the images have no place for them.
fn warn_of_packets(file: &OpenFile) -> Result<()> {
    if file.poll(PollFlags::IN)?.contains(PollFlags::IN) {
        let place = file.place.clone();
        later(move || tracing::warn!(%place, "unread packets are lost on the way"));
    }
    Ok(())
}

fn number(
    file: &OpenFile,
    call: &'static str,
    ask: impl FnOnce(BorrowedFd<'_>) -> Result<i32, Errno>,
) -> Result<u32> {
    file.ask(call, |fd| u32::try_from(ask(fd)?).map_err(|_| Errno::RANGE))
}
