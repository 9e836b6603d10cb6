//! The raw bytes that follow some messages.

use prost::Message;

use crate::messages::{
    BpfmapDataEntry, GhostChunkEntry, IpcMsg, IpcSemEntry, IpcShmEntry, PipeDataEntry,
    SkPacketEntry, TcpStreamEntry,
};

/// A message whose frame is followed by raw bytes, as many as the message itself says.
pub trait Payload: Message + Default {
    /// Length of the raw bytes, padding included.
    fn payload_len(&self) -> u64;
}

impl Payload for PipeDataEntry {
    fn payload_len(&self) -> u64 {
        self.bytes.into()
    }
}

impl Payload for SkPacketEntry {
    fn payload_len(&self) -> u64 {
        self.length.into()
    }
}

impl Payload for TcpStreamEntry {
    /// The receive queue, then the send queue.
    fn payload_len(&self) -> u64 {
        u64::from(self.inq_len) + u64::from(self.outq_len)
    }
}

impl Payload for BpfmapDataEntry {
    /// The keys, then the values.
    fn payload_len(&self) -> u64 {
        u64::from(self.keys_bytes) + u64::from(self.values_bytes)
    }
}

impl Payload for GhostChunkEntry {
    fn payload_len(&self) -> u64 {
        self.len
    }
}

impl Payload for IpcShmEntry {
    /// None when the segment's pages are in a pages image, else its size rounded up to 4.
    fn payload_len(&self) -> u64 {
        if self.in_pagemaps() {
            0
        } else {
            round_up(self.size, 4)
        }
    }
}

impl Payload for IpcMsg {
    /// The text, rounded up to 8 bytes.
    fn payload_len(&self) -> u64 {
        round_up(self.msize.into(), 8)
    }
}

impl Payload for IpcSemEntry {
    /// One `u16` per semaphore, rounded up to 8 bytes.
    fn payload_len(&self) -> u64 {
        round_up(u64::from(self.nsems) * 2, 8)
    }
}

/// `len` rounded up to a multiple of `step`, or the largest such number there is.
fn round_up(len: u64, step: u64) -> u64 {
    len.checked_next_multiple_of(step)
        .unwrap_or(u64::MAX - u64::MAX % step)
}
