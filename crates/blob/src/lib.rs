//! The parasite, built and embedded, with its offsets.
#![forbid(unsafe_code)]

/// The blob: a flat image that runs at any address, in pages that are mapped
/// for reading and executing.
pub const BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/parasite.bin"));

/// Where the daemon is entered, in bytes from the start of the blob.
pub const DAEMON_ENTRY: usize = word(0);

/// The length of the blob, rounded up to whole pages.
pub const TEXT_LEN: usize = BLOB.len().next_multiple_of(4096);

/// The `index`th little-endian word of the blob's header.
const fn word(index: usize) -> usize {
    let at = index * 4;
    u32::from_le_bytes([BLOB[at], BLOB[at + 1], BLOB[at + 2], BLOB[at + 3]]) as usize
}

const _: () = assert!(DAEMON_ENTRY != 0 && DAEMON_ENTRY < BLOB.len());
