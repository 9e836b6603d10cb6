//! Small images that are complete, held back until their set is finished: making a file takes
//! longer than filling it, and a dumped task should not stand still for that.

use std::sync::{Mutex, PoisonError};

use crate::{Image, ImageSink, WriteError};

/// Bytes that are held back at the most.
const MOST: usize = 8 << 20;

/// Complete images without a file.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Images>);

#[derive(Debug, Default)]
struct Images {
    list: Vec<(Image, Vec<u8>)>,
    bytes: usize,
}

impl Held {
    /// Adds a whole image; writes all where they are too many by now.
    pub fn put(
        &self,
        image: Image,
        contents: Vec<u8>,
        sink: &dyn ImageSink,
    ) -> Result<(), WriteError> {
        let mut images = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        images.bytes += contents.len();
        images.list.push((image, contents));
        match images.bytes > MOST {
            true => images.write(sink),
            false => Ok(()),
        }
    }

    /// Writes all images.
    pub fn write(&self, sink: &dyn ImageSink) -> Result<(), WriteError> {
        let mut images = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        images.write(sink)
    }
}

impl Images {
    fn write(&mut self, sink: &dyn ImageSink) -> Result<(), WriteError> {
        self.bytes = 0;
        for (image, contents) in self.list.drain(..) {
            sink.create(image)?.write_all_at(&contents, 0)?;
        }
        Ok(())
    }
}
