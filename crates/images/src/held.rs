//! Small images that are complete, held back until their set is finished: making a file takes
//! longer than filling it, and a dumped task should not stand still for that.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prost::Message;

use crate::writer::append;
use crate::{Image, ImageSink, WriteError};

/// Bytes that are held back at the most.
const MOST: usize = 16 << 20;

/// Bytes that an entry counts for which is not made yet: the largest are those of threads, with
/// their extended state.
const MESSAGE: usize = 6 << 10;

/// Complete images without a file.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Images>);

#[derive(Debug, Default)]
struct Images {
    list: VecDeque<(Image, Contents)>,
    bytes: usize,
}

/// What is in a whole image.
enum Contents {
    Bytes(Vec<u8>),
    /// One entry, which is made and encoded when it is written.
    Entry(Box<Encode>),
}

type Encode = dyn FnOnce(Image) -> Result<Vec<u8>, WriteError> + Send;

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(&bytes.len()).finish(),
            Self::Entry(_) => f.write_str("Entry"),
        }
    }
}

impl Held {
    /// Adds a whole image; writes all where they are too many by now.
    pub fn put(
        &self,
        image: Image,
        contents: Vec<u8>,
        sink: &dyn ImageSink,
    ) -> Result<(), WriteError> {
        let bytes = contents.len();
        self.add((image, Contents::Bytes(contents)), bytes, sink)
    }

    /// Adds an image of one entry, which `make` gives.
    pub fn put_entry<M: Message>(
        &self,
        image: Image,
        make: impl FnOnce() -> M + Send + 'static,
        sink: &dyn ImageSink,
    ) -> Result<(), WriteError> {
        let encode = |image: Image| {
            let mut bytes = image.framing().header();
            append(&mut bytes, image, &make())?;
            Ok(bytes)
        };
        self.add((image, Contents::Entry(Box::new(encode))), MESSAGE, sink)
    }

    fn add(
        &self,
        held: (Image, Contents),
        bytes: usize,
        sink: &dyn ImageSink,
    ) -> Result<(), WriteError> {
        let mut images = self.images();
        images.bytes += bytes;
        images.list.push_back(held);
        let are_many = images.bytes > MOST;
        drop(images);
        match are_many {
            true => self.write(sink),
            false => Ok(()),
        }
    }

    /// Writes all images. Several threads may do so at once: each writes those that it gets hold of.
    pub fn write(&self, sink: &dyn ImageSink) -> Result<(), WriteError> {
        while let Some((image, contents)) = self.take() {
            let bytes = match contents {
                Contents::Bytes(bytes) => bytes,
                Contents::Entry(encode) => encode(image)?,
            };
            sink.create(image)?.write_all_at(&bytes, 0)?;
        }
        Ok(())
    }

    fn take(&self) -> Option<(Image, Contents)> {
        let mut images = self.images();
        let next = images.list.pop_front();
        if next.is_none() {
            images.bytes = 0;
        }
        next
    }

    fn images(&self) -> MutexGuard<'_, Images> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
