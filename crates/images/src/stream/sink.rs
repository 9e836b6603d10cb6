//! The sink that writes a stream.

use std::collections::HashSet;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::output::Compression;
use super::queue::{GiveUp, Queue};
use super::record::{Head, Kind, MAGIC, MAX_RECORD};
use crate::{Image, ImageSink, SinkFile, WriteError};

/// What a stream is called in errors.
const LABEL: &str = "the image stream";

/// Writes an image set as one stream; see the [container](super).
///
/// A thread of its own writes, so a reader that is slow for a moment does not keep the dump.
pub struct ImageStream {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Queue,
    /// The files that have begun; the first has the number 0.
    files: Mutex<HashSet<Image>>,
    /// Bytes of all pieces.
    bytes: AtomicU64,
}

impl ImageStream {
    /// Begins a stream into `output`. While a writer has to wait for room in it, `give_up` is
    /// asked now and then; once it says yes, writing fails.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn begin(
        output: impl Write + Send + 'static,
        compression: Compression,
        give_up: GiveUp,
    ) -> Result<Self, WriteError> {
        let queue = Queue::start(output, compression, give_up)
            .map_err(|source| WriteError::io("clone3", LABEL, source))?;
        let shared = Shared {
            queue,
            files: Mutex::default(),
            bytes: AtomicU64::new(0),
        };
        shared.put(MAGIC.to_vec())?;
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Bytes of all files so far, before they are compressed.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Ends the stream and waits until all of it is written.
    ///
    /// # Errors
    /// When not all of it could be written.
    pub fn finish(self) -> Result<(), WriteError> {
        let failed = |source| WriteError::io("write", LABEL, source);
        match Arc::into_inner(self.shared) {
            Some(shared) => shared.queue.finish().map_err(failed),
            // A file is still open; what was given to it goes out, but there is no end.
            None => Err(failed(std::io::ErrorKind::ResourceBusy.into())),
        }
    }
}

impl Shared {
    fn put(&self, bytes: Vec<u8>) -> Result<(), WriteError> {
        let put = self.queue.put(bytes);
        put.map_err(|source| WriteError::io("write", LABEL, source))
    }

    fn record(&self, kind: Kind, file: u32, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        let head = Head {
            kind,
            file,
            offset,
            len: bytes.len() as u64,
        };
        if head.len > MAX_RECORD {
            return Err(WriteError::EntryTooLong {
                file: LABEL.into(),
                len: bytes.len(),
            });
        }
        self.put([&head.to_bytes(), bytes].concat())
    }

    /// Begins a file; gives its number.
    fn begin_file(&self, image: Image) -> Result<u32, WriteError> {
        // Held until the record is on its way: files begin in the order of their numbers.
        let mut files = self.files();
        let number = files.len() as u32;
        if !files.insert(image) {
            let exists = std::io::ErrorKind::AlreadyExists;
            return Err(WriteError::io("open", image, exists));
        }
        self.record(Kind::Begin, number, 0, image.file_name().as_bytes())?;
        Ok(number)
    }

    fn files(&self) -> MutexGuard<'_, HashSet<Image>> {
        let files = self.files.lock();
        files.unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl ImageSink for ImageStream {
    fn create(&self, image: Image) -> Result<Box<dyn SinkFile>, WriteError> {
        let number = self.shared.begin_file(image)?;
        Ok(Box::new(StreamFile {
            shared: Arc::clone(&self.shared),
            number,
        }))
    }

    fn commit(&self, image: Image, contents: &[u8]) -> Result<(), WriteError> {
        if image == Image::Inventory {
            let files = self.shared.files().len() as u32;
            let bytes = self.bytes();
            self.shared.record(Kind::Complete, files, bytes, contents)?;
        } else {
            let name = image.file_name();
            let bytes = [name.as_bytes(), contents].concat();
            let len = name.len() as u32;
            self.shared.record(Kind::Service, len, 0, &bytes)?;
        }
        // The reader has all of it before the tree is let go, or killed.
        let flushed = self.shared.queue.flush();
        flushed.map_err(|source| WriteError::io("write", LABEL, source))
    }
}

/// One file of a stream.
struct StreamFile {
    shared: Arc<Shared>,
    number: u32,
}

impl SinkFile for StreamFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
        let mut at = offset;
        for piece in bytes.chunks(MAX_RECORD as usize) {
            self.shared.record(Kind::Piece, self.number, at, piece)?;
            at += piece.len() as u64;
        }
        let len = bytes.len() as u64;
        self.shared.bytes.fetch_add(len, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for StreamFile {
    fn drop(&mut self) {
        // An error meets the next writer, too, and the end of the set at the latest.
        let _ = self.shared.record(Kind::End, self.number, 0, &[]);
    }
}
