//! The table of packet sockets (include/uapi/linux/packet_diag.h).

use std::collections::HashMap;
use std::io;

use linux_raw_sys::net::AF_PACKET;

use super::{attributes, dump, u16_at, u32_at};
use crate::net::request::invalid;

/// `PACKET_SHOW_INFO | _MCLIST | _RING_CFG | _FANOUT`.
const SHOW: u32 = 1 | 2 | 4 | 8;
/// The length of `struct packet_diag_msg`.
const HEADER: usize = 16;
/// The length of `struct packet_diag_mclist`.
const MEMBERSHIP: usize = 44;

const ATTR_INFO: u16 = 0;
const ATTR_MCLIST: u16 = 1;
const ATTR_RX_RING: u16 = 2;
const ATTR_TX_RING: u16 = 3;
const ATTR_FANOUT: u16 = 4;

/// A packet socket (packet(7)) as the kernel's table has it.
#[derive(Clone, Debug, Default)]
pub struct PacketSocket {
    /// `SOCK_RAW`, `SOCK_DGRAM` or `SOCK_PACKET`.
    pub kind: u8,
    /// The protocol, in network byte order as socket(2) takes it.
    pub protocol: u16,
    /// The interface it is bound to, 0 without one.
    pub ifindex: u32,
    /// The ring header version.
    pub version: u32,
    /// Bytes kept free in front of each frame.
    pub reserve: u32,
    /// `PACKET_COPY_THRESH`.
    pub copy_threshold: u32,
    /// The source of timestamps.
    pub timestamp: u32,
    /// `PDI_*` bits.
    pub flags: u32,
    /// The interfaces' modes and addresses it has joined.
    pub memberships: Vec<Membership>,
    /// The fanout group, if it is in one.
    pub fanout: Option<u32>,
    /// The receive ring, if there is one.
    pub rx_ring: Option<Ring>,
    /// The send ring, if there is one.
    pub tx_ring: Option<Ring>,
}

/// A membership (`PACKET_ADD_MEMBERSHIP`).
#[derive(Clone, Debug)]
pub struct Membership {
    /// The interface.
    pub ifindex: u32,
    /// How often it was added.
    pub count: u32,
    /// `PACKET_MR_*`.
    pub kind: u16,
    /// The hardware address, where the kind has one.
    pub address: Vec<u8>,
}

/// A ring (`struct packet_diag_ring`); sizes in bytes, the time in ms.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Bytes of a block.
    pub block_size: u32,
    /// Number of blocks.
    pub block_nr: u32,
    /// Bytes of a frame.
    pub frame_size: u32,
    /// Number of frames.
    pub frame_nr: u32,
    /// When a block is given up, in milliseconds.
    pub retire_tmo: u32,
    /// Bytes of private room in each block.
    pub sizeof_priv: u32,
    /// `TP_FT_*` bits.
    pub features: u32,
}

/// Reads the table.
pub(super) fn read() -> io::Result<HashMap<u32, PacketSocket>> {
    let mut request = [0; 20];
    request[0] = AF_PACKET as u8;
    request[8..12].copy_from_slice(&SHOW.to_ne_bytes());
    dump(&request)?.iter().map(|answer| parse(answer)).collect()
}

fn parse(answer: &[u8]) -> io::Result<(u32, PacketSocket)> {
    let mut socket = PacketSocket {
        kind: *answer.get(1).ok_or_else(|| invalid("an empty answer"))?,
        protocol: u16_at(answer, 2)?.to_be(),
        ..PacketSocket::default()
    };
    for attribute in attributes(answer, HEADER) {
        let (kind, value) = attribute?;
        match kind {
            ATTR_INFO => {
                socket.ifindex = u32_at(&value, 0)?;
                socket.version = u32_at(&value, 4)?;
                socket.reserve = u32_at(&value, 8)?;
                socket.copy_threshold = u32_at(&value, 12)?;
                socket.timestamp = u32_at(&value, 16)?;
                socket.flags = u32_at(&value, 20)?;
            }
            ATTR_MCLIST => {
                let entries = value.chunks_exact(MEMBERSHIP);
                socket.memberships = entries.map(membership).collect::<io::Result<_>>()?;
            }
            ATTR_RX_RING => socket.rx_ring = Some(ring(&value)?),
            ATTR_TX_RING => socket.tx_ring = Some(ring(&value)?),
            ATTR_FANOUT => socket.fanout = Some(u32_at(&value, 0)?),
            _ => {}
        }
    }
    Ok((u32_at(answer, 4)?, socket))
}

fn membership(entry: &[u8]) -> io::Result<Membership> {
    let length = usize::from(u16_at(entry, 10)?);
    let address = entry.get(12..12 + length);
    Ok(Membership {
        ifindex: u32_at(entry, 0)?,
        count: u32_at(entry, 4)?,
        kind: u16_at(entry, 8)?,
        address: address
            .ok_or_else(|| invalid("a hardware address that is too long"))?
            .to_vec(),
    })
}

fn ring(value: &[u8]) -> io::Result<Ring> {
    Ok(Ring {
        block_size: u32_at(value, 0)?,
        block_nr: u32_at(value, 4)?,
        frame_size: u32_at(value, 8)?,
        frame_nr: u32_at(value, 12)?,
        retire_tmo: u32_at(value, 16)?,
        sizeof_priv: u32_at(value, 20)?,
        features: u32_at(value, 24)?,
    })
}
