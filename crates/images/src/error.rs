//! What can go wrong, with the file it happened to.

use std::io;

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A system call failed.
    #[error("{call} {file}: {source}")]
    Io {
        /// The system call, by its name in section 2 of the manual.
        call: &'static str,
        /// The file or directory it was about.
        file: String,
        /// The errno it gave.
        source: io::Error,
    },
    /// The images directory holds something already.
    #[error(
        "the images directory {dir} is not empty: give one that is empty or does not exist yet"
    )]
    NotEmpty {
        /// The directory.
        dir: String,
    },
    /// The inventory and the service images have ways of their own to be written.
    #[error("{file} cannot be written as a part of the image set: {instead}")]
    NotPartOfSet {
        /// The image that was asked for.
        file: String,
        /// How it is written.
        instead: &'static str,
    },
    /// Entries were to go into a raw image, or raw bytes into one of entries.
    #[error("{file} does not hold {what}")]
    WrongKind {
        /// The image that was asked for.
        file: String,
        /// What was to be written into it.
        what: &'static str,
    },
    /// An entry is longer than its `u32` length can say.
    #[error("{file}: an entry of {len} bytes is longer than the format allows")]
    EntryTooLong {
        /// The image.
        file: String,
        /// Length of the encoded message, in bytes.
        len: usize,
    },
    /// A payload is not as long as the entry before it says.
    #[error("{file}: the entry announces {stated} bytes of payload, but {given} were given")]
    PayloadLength {
        /// The image.
        file: String,
        /// Bytes that the entry announces.
        stated: u64,
        /// Bytes that were to be written.
        given: u64,
    },
}

impl WriteError {
    /// The error of a system call `call` on `file`.
    pub fn io(call: &'static str, file: impl ToString, source: impl Into<io::Error>) -> Self {
        WriteError::Io {
            call,
            file: file.to_string(),
            source: source.into(),
        }
    }
}

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A system call failed.
    #[error("{call} {file}: {source}")]
    Io {
        /// The system call, by its name in section 2 of the manual.
        call: &'static str,
        /// The file or directory it was about.
        file: String,
        /// The errno it gave.
        source: io::Error,
    },
    /// The name belongs to something else than a file.
    #[error("{file} is not a regular file")]
    NotRegular {
        /// The path.
        file: String,
    },
    /// The file starts with another number than its kind does.
    #[error("{file}: magic {found:#010x} at byte {offset}, where {expected:#010x} belongs")]
    Magic {
        /// The image.
        file: String,
        /// Where the number is, in bytes from the start of the file.
        offset: u64,
        /// What belongs there.
        expected: u32,
        /// What is there.
        found: u32,
    },
    /// The file ends in the middle of something.
    #[error("{file} ends after {found} of the {wanted} bytes of a {what} at byte {offset}")]
    Truncated {
        /// The image.
        file: String,
        /// What is cut off.
        what: &'static str,
        /// Where it begins, in bytes from the start of the file.
        offset: u64,
        /// Its length in bytes.
        wanted: u64,
        /// How many of them are there.
        found: u64,
    },
    /// An entry is not the message that it should be.
    #[error("{file}: the entry at byte {offset} is no {message}: {source}")]
    Decode {
        /// The image.
        file: String,
        /// Where the entry begins, in bytes from the start of the file.
        offset: u64,
        /// The Rust name of the message.
        message: &'static str,
        /// What is wrong with it.
        source: prost::DecodeError,
    },
    /// The image has no entry, but must have one.
    #[error("{file} has no entry")]
    Empty {
        /// The image.
        file: String,
    },
    /// Entries were to be read from a raw image, or raw bytes from one of entries.
    #[error("{file} does not hold {what}")]
    WrongKind {
        /// The image that was asked for.
        file: String,
        /// What was to be read.
        what: &'static str,
    },
    /// A pagemap contradicts itself.
    #[error("{file}: {pages} pages at {vaddr:#x}: {why}")]
    Pagemap {
        /// The pagemap image.
        file: String,
        /// First address of the run.
        vaddr: u64,
        /// Number of pages in the run.
        pages: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl ReadError {
    /// The error of a system call `call` on `file`.
    pub fn io(call: &'static str, file: impl ToString, source: impl Into<io::Error>) -> Self {
        ReadError::Io {
            call,
            file: file.to_string(),
            source: source.into(),
        }
    }
}
