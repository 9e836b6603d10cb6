//! From a stream back to files.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};

use lz4_flex::frame::FrameDecoder;

use super::record::{HEAD_LEN, Head, Kind, MAGIC};
use crate::framing::Framing;
use crate::{Image, ImageSink, SinkFile, WriteError};

/// Begins an LZ4 frame.
const LZ4_MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();

/// Why a stream could not be turned into files.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Reading failed, or what was read is no LZ4 frame.
    #[error("reading the stream: {0}")]
    Read(#[source] io::Error),
    /// It begins with something else.
    #[error("this is no image stream: it does not begin as one does")]
    NotAStream,
    /// It ends in the middle of the image set, or of a record.
    #[error("the stream ends too early, after {0} bytes")]
    Truncated(u64),
    /// It contradicts itself.
    #[error("the stream is damaged at byte {at}: {what}")]
    Damaged {
        /// Where, in bytes from the start, uncompressed.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The image set is complete and has its inventory; what follows it is not whole.
    #[error("the image set is complete, but what follows it is not: {0}")]
    Behind(#[source] Box<ExtractError>),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What was in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Files of the image set, the inventory included.
    pub files: u64,
    /// Bytes of these files, as they were written.
    pub bytes: u64,
}

/// Turns a stream, compressed or not, into the files of an image set.
///
/// The stream is not trusted: only names of images are made, each once; memory is bounded; and the
/// inventory, which makes the files an image set, is written only when everything has arrived.
///
/// # Errors
/// Why the set is not complete; there is no inventory then, but for [`ExtractError::Behind`].
pub fn extract(input: impl Read, sink: &impl ImageSink) -> Result<Extracted, ExtractError> {
    let mut input = BufReader::new(input);
    let mut first = [0; LZ4_MAGIC.len()];
    read_all(&mut input, &mut first).map_err(ExtractError::Read)?;
    let input = first.chain(input);
    match first == LZ4_MAGIC {
        true => Extraction::new(FrameDecoder::new(input), sink).run(),
        false => Extraction::new(input, sink).run(),
    }
}

/// Fills `buf` or reads to the end; says how many bytes there were.
fn read_all(input: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buf.len() {
        match input.read(&mut buf[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

/// One stream on its way into files.
struct Extraction<'s, R, S> {
    input: R,
    sink: &'s S,
    /// Bytes read so far.
    at: u64,
    /// Files that have begun and not ended, by number.
    open: HashMap<u32, Box<dyn SinkFile>>,
    /// How many files have begun.
    files: u32,
    /// Bytes of all pieces.
    bytes: u64,
    buffer: Vec<u8>,
}

impl<'s, R: Read, S: ImageSink> Extraction<'s, R, S> {
    fn new(input: R, sink: &'s S) -> Self {
        Self {
            input,
            sink,
            at: 0,
            open: HashMap::new(),
            files: 0,
            bytes: 0,
            buffer: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Extracted, ExtractError> {
        let mut magic = [0; MAGIC.len()];
        let len = read_all(&mut self.input, &mut magic).map_err(ExtractError::Read)?;
        if len < magic.len() || magic != MAGIC {
            return Err(ExtractError::NotAStream);
        }
        self.at = len as u64;
        let extracted = loop {
            let head = self.head()?.ok_or(ExtractError::Truncated(self.at))?;
            match head.kind {
                Kind::Begin => self.begin(head)?,
                Kind::Piece => self.piece(head)?,
                Kind::End => self.end(head)?,
                Kind::Complete => break self.complete(head)?,
                Kind::Service => return Err(self.damaged("the set is not complete here")),
            }
        };
        match self.services() {
            Ok(()) => Ok(extracted),
            Err(error) => Err(ExtractError::Behind(Box::new(error))),
        }
    }

    /// What follows a complete set.
    fn services(&mut self) -> Result<(), ExtractError> {
        while let Some(head) = self.head()? {
            self.service(head)?;
        }
        Ok(())
    }

    fn begin(&mut self, head: Head) -> Result<(), ExtractError> {
        self.is(head.offset == 0, "a file begins behind its start")?;
        self.is(head.file == self.files, "a file has another number")?;
        let image = match std::str::from_utf8(&self.buffer) {
            Ok(name) => Image::from_file_name(name),
            Err(_) => None,
        };
        let part = |image: &Image| matches!(image.framing(), Framing::Common(_) | Framing::Raw);
        let Some(image) = image.filter(part) else {
            return Err(self.damaged("the name is not that of an image in a set"));
        };
        self.files += 1;
        self.open.insert(head.file, self.sink.create(image)?);
        Ok(())
    }

    fn piece(&mut self, head: Head) -> Result<(), ExtractError> {
        // What pwrite(2) takes; the pieces themselves are as long as the stream.
        const MOST: u64 = i64::MAX as u64;
        let end = head.offset.checked_add(head.len);
        self.is(
            end.is_some_and(|end| end <= MOST),
            "a piece ends too far out",
        )?;
        match self.open.get(&head.file) {
            Some(file) => file.write_all_at(&self.buffer, head.offset)?,
            None => return Err(self.damaged("a piece of a file that is not open")),
        }
        self.bytes = self.bytes.wrapping_add(head.len);
        Ok(())
    }

    fn end(&mut self, head: Head) -> Result<(), ExtractError> {
        self.is(
            head.offset == 0 && head.len == 0,
            "the end of a file has bytes",
        )?;
        let closed = self.open.remove(&head.file);
        self.is(closed.is_some(), "the end of a file that is not open")
    }

    fn complete(&mut self, head: Head) -> Result<Extracted, ExtractError> {
        self.is(self.open.is_empty(), "a file has no end")?;
        let counts = (self.files, self.bytes) == (head.file, head.offset);
        self.is(counts, "files or pieces are missing")?;
        let header = Image::Inventory.framing().header();
        self.is(self.buffer.starts_with(&header), "the inventory is none")?;
        self.sink.commit(Image::Inventory, &self.buffer)?;
        Ok(Extracted {
            files: u64::from(self.files) + 1,
            bytes: self.bytes + head.len,
        })
    }

    fn service(&mut self, head: Head) -> Result<(), ExtractError> {
        self.is(head.kind == Kind::Service, "the set was complete before")?;
        let (name, contents) = match self.buffer.split_at_checked(head.file as usize) {
            Some((name, contents)) => (std::str::from_utf8(name), contents),
            None => return Err(self.damaged("a name is longer than its record")),
        };
        match name.ok().and_then(Image::from_file_name) {
            Some(image) if image.is_service() => Ok(self.sink.commit(image, contents)?),
            _ => Err(self.damaged("the name is not that of a service image")),
        }
    }

    /// The next head, with its bytes in the buffer; none at the end of the stream.
    fn head(&mut self) -> Result<Option<Head>, ExtractError> {
        let mut bytes = [0; HEAD_LEN];
        match read_all(&mut self.input, &mut bytes).map_err(ExtractError::Read)? {
            0 => return Ok(None),
            HEAD_LEN => self.at += HEAD_LEN as u64,
            some => return Err(ExtractError::Truncated(self.at + some as u64)),
        }
        let Some(head) = Head::from_bytes(bytes) else {
            return Err(self.damaged("there is no such record"));
        };
        self.buffer.clear();
        let len = (&mut self.input)
            .take(head.len)
            .read_to_end(&mut self.buffer);
        let len = len.map_err(ExtractError::Read)? as u64;
        self.at += len;
        match len == head.len {
            true => Ok(Some(head)),
            false => Err(ExtractError::Truncated(self.at)),
        }
    }

    fn is(&self, right: bool, what: &'static str) -> Result<(), ExtractError> {
        match right {
            true => Ok(()),
            false => Err(self.damaged(what)),
        }
    }

    fn damaged(&self, what: &'static str) -> ExtractError {
        ExtractError::Damaged { at: self.at, what }
    }
}
