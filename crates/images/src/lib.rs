//! CRIU's image format: messages, framing, reader and writer.
//!
//! An image set is a directory of files. Most begin with two magics and hold protobuf messages,
//! each behind its length; pages and some other payloads are raw bytes. [`Image`] is the table of
//! the kinds, [`messages`] what they hold. [`ImageSet`] writes a set into an [`ImageSink`], such
//! as an [`ImagesDir`]; [`SavedImages`] reads one.
//!
//! The format is CRIU 4.2's: stock `criu restore` and `crit` read what is written here.
#![forbid(unsafe_code)]

mod access;
mod chain;
mod dedup;
mod dir;
mod error;
pub mod framing;
#[doc(hidden)]
pub mod fuzzing;
mod held;
mod image;
pub mod messages;
mod pages;
mod payload;
mod reader;
mod saved;
mod set;
mod sink;
pub mod stream;
mod writer;

pub use access::{ShareError, share_with_tree};
pub use chain::PageChain;
pub use dedup::dedup;
pub use dir::{Existing, ImagesDir};
pub use error::{ReadError, WriteError};
pub use image::Image;
pub use pages::{PAGE_SIZE, PE_LAZY, PE_PARENT, PE_PRESENT, PageRun, PageSource, Pagemap};
pub use payload::Payload;
pub use reader::EntryReader;
pub use saved::SavedImages;
pub use set::{ImageSet, write_service};
pub use sink::{ImageSink, SinkFile};
pub use writer::{EntryWriter, RawWriter};
