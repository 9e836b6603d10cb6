//! Packet sockets (packet(7)) with their rings and memberships.

use commensal_images::messages::{PacketMclist, PacketRing, PacketSockEntry};
use linux_raw_sys::net::AF_PACKET;

use super::sock_diag::{Membership, Ring};
use super::{Sockets, opts};
use crate::Result;
use crate::files::OpenFile;

// PDI_* of include/uapi/linux/packet_diag.h
const AUXDATA: u32 = 2;
const ORIGDEV: u32 = 4;
const VNETHDR: u32 = 8;
const LOSS: u32 = 16;

// PACKET_MR_* of include/uapi/linux/if_packet.h
const MULTICAST: u16 = 0;
const PROMISC: u16 = 1;
const ALLMULTI: u16 = 2;
const UNICAST: u16 = 3;

/// Collects a socket.
pub fn dump(file: &OpenFile, id: u32, sockets: &mut Sockets<'_>) -> Result<PacketSockEntry> {
    let ns_id = sockets.tables.networks.of_socket(file)?;
    let inode = file.stat.ino as u32;
    let Some(socket) = sockets.tables.packet()?.get(&inode).cloned() else {
        return Err(file.refuse(
            "a packet socket of another network namespace",
            "its rings and memberships cannot be asked for from here",
            "dump it from inside its network namespace",
        ));
    };
    let memberships = socket
        .memberships
        .iter()
        .map(|membership| mclist(file, membership));
    Ok(PacketSockEntry {
        id,
        r#type: socket.kind.into(),
        protocol: socket.protocol.into(),
        flags: file.flags,
        ifindex: socket.ifindex,
        fown: file.owner.clone(),
        opts: opts::common(file, AF_PACKET)?,
        version: socket.version,
        reserve: socket.reserve,
        aux_data: socket.flags & AUXDATA != 0,
        orig_dev: socket.flags & ORIGDEV != 0,
        vnet_hdr: socket.flags & VNETHDR != 0,
        loss: socket.flags & LOSS != 0,
        timestamp: socket.timestamp,
        copy_thresh: socket.copy_threshold,
        mclist: memberships.collect::<Result<_>>()?,
        fanout: socket.fanout,
        rx_ring: socket.rx_ring.as_ref().map(ring),
        tx_ring: socket.tx_ring.as_ref().map(ring),
        ns_id: Some(ns_id),
    })
}

fn mclist(file: &OpenFile, membership: &Membership) -> Result<PacketMclist> {
    if membership.count != 1 {
        return Err(file.refuse(
            "a packet socket that has joined the same membership more than once",
            "CRIU's images have no place for the count",
            "join each membership once",
        ));
    }
    let addr = match membership.kind {
        MULTICAST | UNICAST => membership.address.clone(),
        PROMISC | ALLMULTI => Vec::new(),
        kind => {
            return Err(file.refuse(
                format!("a packet socket with a membership of kind {kind}"),
                "CRIU's images have no place for it",
                "leave the membership before the dump",
            ));
        }
    };
    Ok(PacketMclist {
        index: membership.ifindex,
        r#type: membership.kind.into(),
        addr,
    })
}

fn ring(ring: &Ring) -> PacketRing {
    PacketRing {
        block_size: ring.block_size,
        block_nr: ring.block_nr,
        frame_size: ring.frame_size,
        frame_nr: ring.frame_nr,
        retire_tmo: ring.retire_tmo,
        sizeof_priv: ring.sizeof_priv,
        features: ring.features,
    }
}
