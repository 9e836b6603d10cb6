//! How entries lie in an image file: a header, then frames.
//!
//! A frame is the length of a message as a little-endian `u32`, then the message. Some kinds have
//! a payload of raw bytes behind each message ([`crate::Payload`]).

use prost::Message;

/// Begins every framed image except the inventory and the service images, little-endian.
pub const COMMON_MAGIC: u32 = 0x5456_4319;
/// Begins the service images (`stats-dump`, `irmap-cache`), little-endian.
pub const SERVICE_MAGIC: u32 = 0x5510_5940;

/// What an image file starts with; the number is the magic of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The magic of its kind alone, then framed entries.
    Inventory(u32),
    /// [`COMMON_MAGIC`], the magic of its kind, then framed entries.
    Common(u32),
    /// [`SERVICE_MAGIC`], the magic of its kind, then framed entries.
    Service(u32),
    /// No header and no frames: the contents are another program's, or bare pages.
    Raw,
}

impl Framing {
    /// The bytes an image of this framing starts with: none, four or eight.
    pub fn header(self) -> Vec<u8> {
        match self {
            Framing::Inventory(magic) => magic.to_le_bytes().to_vec(),
            Framing::Common(magic) => [COMMON_MAGIC, magic].map(u32::to_le_bytes).concat(),
            Framing::Service(magic) => [SERVICE_MAGIC, magic].map(u32::to_le_bytes).concat(),
            Framing::Raw => Vec::new(),
        }
    }
}

/// Appends `message` as one frame to `out`.
///
/// # Errors
/// Gives the encoded length, in bytes, when it does not fit the `u32` of a frame; nothing is
/// appended then.
pub fn append_frame(out: &mut Vec<u8>, message: &impl Message) -> Result<(), usize> {
    let len = message.encoded_len();
    let prefix = u32::try_from(len).map_err(|_| len)?;
    out.reserve(size_of::<u32>() + len);
    out.extend_from_slice(&prefix.to_le_bytes());
    message.encode_raw(out);
    Ok(())
}
