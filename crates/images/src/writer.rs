//! Writing one image: entries with their payloads, or raw bytes.

use std::fs::File;
use std::marker::PhantomData;
use std::sync::Arc;

use prost::Message;

use crate::framing::append_frame;
use crate::held::Held;
use crate::{Image, ImageSink, Payload, SinkFile, WriteError};

/// Bytes that an [`EntryWriter`] gathers before it writes them. Most images stay below, and are
/// held back whole until their set is finished.
const BUFFER: usize = 256 << 10;

/// Writes framed entries, and payloads behind them, one after another.
///
/// Nothing is sure to be in the file before [`EntryWriter::finish`]; a writer that is dropped
/// without it loses what it still holds.
#[must_use = "entries are only complete after finish()"]
pub struct EntryWriter<'s> {
    sink: &'s dyn ImageSink,
    held: &'s Held,
    image: Image,
    file: Option<Box<dyn SinkFile>>,
    buffer: Vec<u8>,
    /// Bytes that are in the file.
    written: u64,
}

impl<'s> EntryWriter<'s> {
    pub(crate) fn new(sink: &'s dyn ImageSink, held: &'s Held, image: Image) -> Self {
        EntryWriter {
            sink,
            held,
            image,
            file: None,
            buffer: Vec::new(),
            written: 0,
        }
    }

    /// The image this writes.
    pub fn image(&self) -> Image {
        self.image
    }

    /// Appends one entry.
    ///
    /// # Errors
    /// When it is longer than the format allows, or the file cannot be made or written.
    pub fn entry(&mut self, message: &impl Message) -> Result<(), WriteError> {
        self.begin();
        append(&mut self.buffer, self.image, message)?;
        if self.buffer.len() >= BUFFER {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Appends one entry and the payload it announces, padding included.
    ///
    /// # Errors
    /// As [`EntryWriter::entry`], or when the payload has another length than announced; nothing
    /// is written then.
    pub fn entry_with_payload(
        &mut self,
        message: &impl Payload,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let (stated, given) = (message.payload_len(), payload.len() as u64);
        if stated != given {
            return Err(WriteError::PayloadLength {
                file: self.image.to_string(),
                stated,
                given,
            });
        }
        self.entry(message)?;
        self.payload(payload)
    }

    /// Appends raw bytes, for a payload that comes in pieces. The caller sees to it that they add
    /// up to what the entry before announces.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn payload(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.begin();
        if self.buffer.len() + bytes.len() < BUFFER {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush()?;
        self.write(bytes)
    }

    /// Ends the image. A small one is written when its set is finished, or earlier where many
    /// are held back.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn finish(mut self) -> Result<(), WriteError> {
        if self.file.is_some() || self.buffer.is_empty() {
            return self.flush();
        }
        self.held.put(self.image, self.buffer, self.sink)
    }

    /// Puts the header in front of the first bytes.
    fn begin(&mut self) {
        if self.written == 0 && self.buffer.is_empty() {
            self.buffer = self.image.framing().header();
        }
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.sink.create(self.image)?),
        };
        file.write_all_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Writes a raw image at any offset, also from several threads.
pub struct RawWriter<'s> {
    file: Box<dyn SinkFile>,
    /// Keeps the set from being finished while this is open.
    set: PhantomData<&'s dyn ImageSink>,
}

impl RawWriter<'_> {
    pub(crate) fn new(file: Box<dyn SinkFile>) -> Self {
        RawWriter {
            file,
            set: PhantomData,
        }
    }

    /// Writes all of `bytes` at `offset`, in bytes from the start of the file.
    ///
    /// # Errors
    /// When not all bytes could be written.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
        self.file.write_all_at(bytes, offset)
    }

    /// The file, open for reading and writing, when the set goes to a directory: to preallocate
    /// it, or to have the kernel move pages into it.
    pub fn as_file(&self) -> Option<&Arc<File>> {
        self.file.as_file()
    }
}

/// Appends `message` as one frame to `out`; `image` is for the error.
pub(crate) fn append(
    out: &mut Vec<u8>,
    image: Image,
    message: &impl Message,
) -> Result<(), WriteError> {
    append_frame(out, message).map_err(|len| WriteError::EntryTooLong {
        file: image.to_string(),
        len,
    })
}
