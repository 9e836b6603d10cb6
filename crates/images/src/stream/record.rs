//! The records of a stream.

/// Begins every stream.
pub const MAGIC: [u8; 8] = *b"commnsl\x01";

/// The most bytes behind one head, so that a reader can bound its memory.
pub const MAX_RECORD: u64 = 1 << 20;

/// The length of a head, in bytes.
pub const HEAD_LEN: usize = 24;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// A file begins; the bytes are its name.
    Begin = 1,
    /// A piece of a file.
    Piece = 2,
    /// A file ends.
    End = 3,
    /// The set is complete; the bytes are the inventory.
    Complete = 4,
    /// A file that is no part of the set, whole.
    Service = 5,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Begin,
        Self::Piece,
        Self::End,
        Self::Complete,
        Self::Service,
    ];
}

/// What stands in front of a record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: Kind,
    /// The file's number, or a count; see [`super`].
    pub file: u32,
    /// Where the bytes belong in the file, or a count; see [`super`].
    pub offset: u64,
    /// How many bytes follow.
    pub len: u64,
}

impl Head {
    /// The head as it is in the stream.
    pub fn to_bytes(self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        bytes[..4].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes[4..8].copy_from_slice(&self.file.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    /// A head that was read; `None` for an unknown kind or too great a length.
    pub fn from_bytes(bytes: [u8; HEAD_LEN]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u32 == word(0))?;
        let head = Self {
            kind,
            file: word(4),
            offset: long(8),
            len: long(16),
        };
        (head.len <= MAX_RECORD).then_some(head)
    }
}
