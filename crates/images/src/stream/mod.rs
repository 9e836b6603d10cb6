//! An image set as one sequential stream of bytes: for a pipe, a socket, an object store.
//!
//! [`ImageStream`] is the sink that writes it, [`extract()`] turns it back into files.
//!
//! # The container
//!
//! Numbers are little-endian. The stream begins with the eight bytes of [`MAGIC`]; records follow,
//! each a head of 24 bytes and `len` bytes behind it:
//!
//! | field | type | |
//! |---|---|---|
//! | kind | `u32` | one of the records below |
//! | file | `u32` | files are numbered from 0, in the order in which they begin |
//! | offset | `u64` | |
//! | len | `u64` | at most [`MAX_RECORD`] |
//!
//! | kind | record | file | offset | the bytes |
//! |---|---|---|---|---|
//! | 1 | a file begins | its number | 0 | its name, as in a directory |
//! | 2 | a piece of a file | its number | where in the file | the piece |
//! | 3 | a file ends | its number | 0 | none |
//! | 4 | the set is complete | how many files there were | bytes of all pieces | the inventory |
//! | 5 | a file that is no part of the set, whole | length of its name | 0 | its name, its contents |
//!
//! Several files may be open at once, and pieces of a file may come in any order. Only after
//! record 4 is there an image set: the inventory comes last, with the counts that tell whether all
//! else has arrived. Behind it come only records 5, such as `stats-dump`, and the end.
//!
//! A stream may be compressed as a whole, as a frame of LZ4: other tools call that an `.lz4` file,
//! and [`extract()`] sees it by its first bytes.

mod extract;
mod output;
mod queue;
mod record;
mod sink;

pub use extract::{ExtractError, Extracted, extract};
pub use output::Compression;
pub use record::{MAGIC, MAX_RECORD};
pub use sink::ImageStream;
