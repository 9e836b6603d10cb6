//! Reading the entries of one image.

use std::io::Read;

use prost::Message;

use crate::framing::{COMMON_MAGIC, Framing, SERVICE_MAGIC};
use crate::{Image, Payload, ReadError};

/// Reads the entries of one image, one after another, from a file or from bytes.
///
/// The input is not trusted: whatever it holds, reading ends with a value or an error, and takes
/// no more memory than the input has bytes (plus what decoding them needs).
///
/// Fields that the messages here do not have are skipped, and required fields that are missing
/// read as their default, as far as protobuf goes; what an entry means is for the caller to check.
#[derive(Debug)]
pub struct EntryReader<R> {
    input: R,
    file: String,
    /// Bytes read so far.
    offset: u64,
}

impl<R: Read> EntryReader<R> {
    /// Reads and checks the header of `image`. For many small entries give a buffered `input`.
    ///
    /// # Errors
    /// When the header is missing or of another kind, or `image` is raw.
    pub fn new(image: Image, input: R) -> Result<Self, ReadError> {
        Self::named(image, image.to_string(), input)
    }

    /// The same with another name for the file in errors.
    pub(crate) fn named(image: Image, file: String, input: R) -> Result<Self, ReadError> {
        let mut reader = EntryReader {
            input,
            file,
            offset: 0,
        };
        match image.framing() {
            Framing::Inventory(magic) => reader.magic(magic)?,
            Framing::Common(magic) => {
                reader.magic(COMMON_MAGIC)?;
                reader.magic(magic)?;
            }
            Framing::Service(magic) => {
                reader.magic(SERVICE_MAGIC)?;
                reader.magic(magic)?;
            }
            Framing::Raw => {
                return Err(ReadError::WrongKind {
                    file: reader.file,
                    what: "entries",
                });
            }
        }
        Ok(reader)
    }

    /// The next entry, or `None` at the end of the file.
    ///
    /// # Errors
    /// When the file ends within the entry, or it is not a message of this type.
    #[expect(
        clippy::should_implement_trait,
        reason = "each entry may be of another type"
    )]
    pub fn next<M: Message + Default>(&mut self) -> Result<Option<M>, ReadError> {
        let offset = self.offset;
        let prefix = self.up_to(4)?;
        if prefix.is_empty() {
            return Ok(None);
        }
        let len = match <[u8; 4]>::try_from(prefix.as_slice()) {
            Ok(bytes) => u32::from_le_bytes(bytes),
            Err(_) => return Err(self.truncated("length", offset, 4)),
        };
        let body = self.exactly(len.into(), "message")?;
        M::decode(body.as_slice())
            .map(Some)
            .map_err(|source| ReadError::Decode {
                file: self.file.clone(),
                offset,
                message: short_name::<M>(),
                source,
            })
    }

    /// The next entry with the raw bytes that follow it, padding included.
    ///
    /// # Errors
    /// As [`EntryReader::next`], or when the file ends within the payload.
    pub fn next_with_payload<M: Payload>(&mut self) -> Result<Option<(M, Vec<u8>)>, ReadError> {
        let Some(entry) = self.next::<M>()? else {
            return Ok(None);
        };
        let payload = self.payload(entry.payload_len())?;
        Ok(Some((entry, payload)))
    }

    /// The first entry of an image that must have one.
    ///
    /// # Errors
    /// As [`EntryReader::next`], or when there is none.
    pub fn required<M: Message + Default>(&mut self) -> Result<M, ReadError> {
        let entry = self.next()?;
        entry.ok_or_else(|| ReadError::Empty {
            file: self.file.clone(),
        })
    }

    /// All entries up to the end of the file, of one type and without payloads.
    ///
    /// # Errors
    /// As [`EntryReader::next`].
    pub fn all<M: Message + Default>(mut self) -> Result<Vec<M>, ReadError> {
        let mut entries = Vec::new();
        while let Some(entry) = self.next()? {
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The next `len` raw bytes.
    ///
    /// # Errors
    /// When the file ends before.
    pub fn payload(&mut self, len: u64) -> Result<Vec<u8>, ReadError> {
        self.exactly(len, "payload")
    }

    /// Everything up to the end of the file, such as the content of a ghost file.
    ///
    /// # Errors
    /// When reading fails.
    pub fn rest(mut self) -> Result<Vec<u8>, ReadError> {
        self.up_to(u64::MAX)
    }

    fn magic(&mut self, expected: u32) -> Result<(), ReadError> {
        let offset = self.offset;
        let bytes = self.exactly(4, "magic")?;
        let found = bytes
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | u32::from(byte));
        if found != expected {
            return Err(ReadError::Magic {
                file: self.file.clone(),
                offset,
                expected,
                found,
            });
        }
        Ok(())
    }

    fn exactly(&mut self, len: u64, what: &'static str) -> Result<Vec<u8>, ReadError> {
        let offset = self.offset;
        let bytes = self.up_to(len)?;
        if (bytes.len() as u64) < len {
            return Err(self.truncated(what, offset, len));
        }
        Ok(bytes)
    }

    /// At most `len` bytes, fewer only at the end. The buffer grows with what is really there.
    fn up_to(&mut self, len: u64) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        self.input
            .by_ref()
            .take(len)
            .read_to_end(&mut bytes)
            .map_err(|source| ReadError::io("read", &self.file, source))?;
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }

    fn truncated(&self, what: &'static str, offset: u64, wanted: u64) -> ReadError {
        let found = self.offset - offset;
        ReadError::Truncated {
            file: self.file.clone(),
            what,
            offset,
            wanted,
            found,
        }
    }
}

/// The name of a message without its modules.
fn short_name<M>() -> &'static str {
    let name = std::any::type_name::<M>();
    name.rsplit("::").next().unwrap_or(name)
}
