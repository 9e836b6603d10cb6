//! Commands of the page server's protocol: 32 bytes each, all integers little-endian.

/// The server begins a pagemap, and tells whether it knows images that these build on.
pub const OPEN: u32 = 4;
/// Pages, which follow unless the flags say that they are elsewhere.
pub const ADD: u32 = 6;
/// Asks for pages, which come back with [`ADD`].
pub const GET: u32 = 7;
/// The end, which is answered with a status.
pub const CLOSE: u32 = 0x1023;
/// As [`CLOSE`]; the server ends even if its socket stays open.
pub const CLOSE_AND_END: u32 = 0x1024;

/// The flags of pages stand above the verb.
const FLAGS_SHIFT: u32 = 16;

/// The length of a command, in bytes.
pub const LENGTH: usize = 32;

/// A command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// What it asks for.
    pub verb: u32,
    /// The flags of the pages (`PE_*`).
    pub flags: u32,
    /// How many pages.
    pub pages: u64,
    /// The address of the first.
    pub address: u64,
    /// What they belong to.
    pub name: u64,
}

impl Command {
    /// As it is sent.
    pub fn to_bytes(self) -> [u8; LENGTH] {
        // The number of pages is aligned to 8 bytes.
        let verb = u64::from(self.flags << FLAGS_SHIFT | self.verb);
        let mut bytes = [0; LENGTH];
        let words = [verb, self.pages, self.address, self.name];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// As it was received.
    pub fn from_bytes(bytes: &[u8; LENGTH]) -> Self {
        let word = |at: usize| {
            let bytes = bytes[8 * at..].first_chunk().expect("four words");
            u64::from_le_bytes(*bytes)
        };
        // What is between the verb and the number of pages means nothing.
        let verb = word(0) as u32;
        Self {
            verb: verb & ((1 << FLAGS_SHIFT) - 1),
            flags: verb >> FLAGS_SHIFT,
            pages: word(1),
            address: word(2),
            name: word(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received() {
        let command = Command {
            verb: ADD,
            flags: 4,
            pages: 3,
            address: 0x7000,
            name: 12 << 8 | 1,
        };
        let bytes = command.to_bytes();
        assert_eq!(bytes[..8], [6, 0, 4, 0, 0, 0, 0, 0]);
        assert_eq!(Command::from_bytes(&bytes), command);
    }
}
