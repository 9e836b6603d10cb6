//! Netlink attributes as nftables takes them: nested, numbers big-endian.

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED};

/// An element of a list (`NFTA_LIST_ELEM`).
pub const LIST_ELEM: u16 = 1;

/// A row of attributes.
#[derive(Clone, Debug, Default)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one that holds bytes.
    pub fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let attribute = DefaultNla::new(kind, value.to_vec());
        let start = self.0.len();
        self.0.resize(start + attribute.buffer_len(), 0);
        attribute.emit(&mut self.0[start..]);
        self
    }

    /// Adds one that holds a text and its NUL.
    pub fn string(self, kind: u16, text: &str) -> Self {
        self.bytes(kind, &[text.as_bytes(), b"\0"].concat())
    }

    /// Adds one that holds a number.
    pub fn be32(self, kind: u16, number: u32) -> Self {
        self.bytes(kind, &number.to_be_bytes())
    }

    /// Adds one that holds attributes.
    pub fn nested(self, kind: u16, inner: Attributes) -> Self {
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }

    /// The bytes of all.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
