//! Where the bytes of a stream go, compressed or not.

use std::io::{self, Write};

use lz4_flex::frame::FrameEncoder;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// As an LZ4 frame.
    Lz4,
}

/// A stream's way out.
pub enum Output<W: Write> {
    Plain(W),
    Lz4(Box<FrameEncoder<W>>),
}

impl<W: Write> Output<W> {
    /// The way out to `inner`.
    pub fn new(inner: W, compression: Compression) -> Self {
        match compression {
            Compression::None => Self::Plain(inner),
            Compression::Lz4 => Self::Lz4(Box::new(FrameEncoder::new(inner))),
        }
    }

    /// Writes all of these bytes, sooner or later.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(inner) => inner.write_all(bytes),
            Self::Lz4(encoder) => encoder.write_all(bytes),
        }
    }

    /// Writes what is still held.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(inner) => inner.flush(),
            Self::Lz4(encoder) => encoder.flush(),
        }
    }

    /// Ends the stream.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut inner) => inner.flush(),
            Self::Lz4(encoder) => encoder.finish()?.flush(),
        }
    }
}
