//! Copying numbered pages, and memory that cannot be read.

use commensal_images::{Existing, Image, ImageSet, ImagesDir};
use proptest::prelude::*;

use super::*;

/// Memory in which every byte is the low byte of its page's number, up to
/// the page that cannot be read.
struct Numbered {
    broken: u64,
}

impl PageSource for Numbered {
    fn read(&self, batch: &Batch, buf: &mut [u8]) -> Result<()> {
        let pages = batch
            .ranges()
            .flat_map(|range| range.as_u64().step_by(4096));
        for (page, bytes) in pages.zip(buf.chunks_mut(4096)) {
            if page >> 12 == self.broken {
                return Err(commensal_sys::Error::new("read", 1, commensal_sys::Errno::IO).into());
            }
            bytes.fill((page >> 12) as u8);
        }
        Ok(())
    }
}

/// Copies 4096 pages in ranges of 3, of which so many bytes are held until the end, and gives what is in the
/// image then.
fn copy(workers: usize, broken: u64, held_bytes: u64) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let images = dir.path().join("images");
    let set = ImageSet::new(ImagesDir::create(&images, Existing::Refuse)?);
    let image = Arc::new(set.raw(Image::Pages(1))?);
    let held = Held::default();
    held.make_room(held_bytes);
    let copy = Copy {
        source: &Numbered { broken },
        image: &image,
        held: Some(&held),
        buffers: &Buffers::default(),
        cancel: &Cancel::default(),
        written: &|_| (),
    };
    copy.run(workers, |add: &mut dyn FnMut(RemoteRange) -> Result<()>| {
        (0..4096u64).step_by(4).try_for_each(|page| {
            let range = RemoteRange::new(page << 12, (page + 3) << 12);
            add(range.expect("in order"))
        })
    })?;
    held.write()?;
    Ok(std::fs::read(images.join("pages-1.img")).expect("the image"))
}

#[test]
fn workers_put_every_page_in_its_place() {
    let expected: Vec<u8> = (0..4096u64)
        .filter(|page| page % 4 != 3)
        .map(|page| page as u8)
        .collect();
    for (workers, held) in [(1, 0), (3, 0), (3, 1 << 20), (3, 12 << 20), (1, 12 << 20)] {
        let image = copy(workers, u64::MAX, held).expect("all can be read");
        let pages = image.chunks_exact(4096);
        assert!(
            pages
                .clone()
                .all(|page| page.iter().all(|byte| *byte == page[0]))
        );
        assert_eq!(pages.map(|page| page[0]).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn what_a_worker_cannot_read_is_the_error() {
    for (workers, broken) in [(1, 1000), (3, 0), (3, 1000), (3, 4094)] {
        match copy(workers, broken, 0) {
            Err(Error::Sys(error)) => assert_eq!(error.errno, commensal_sys::Errno::IO),
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn chunks_are_the_ranges_in_order(
        lens in proptest::collection::vec(0u64..3 * CHUNK as u64, 0..12),
    ) {
        let mut start = 0;
        let mut ranges = Vec::new();
        for len in lens {
            start += 4096;
            ranges.push(RemoteRange::new(start, start + len).expect("in order"));
            start += len;
        }
        let mut bytes = Vec::new();
        let mut offset = 0;
        let cutter = Cutter::new(|chunk: Chunk| {
            assert_eq!(chunk.offset, offset);
            assert!(chunk.batch.bytes() <= CHUNK);
            offset += chunk.batch.bytes() as u64;
            bytes.extend(chunk.batch.ranges().map(RemoteRange::as_u64));
            Ok(())
        });
        cutter
            .all(|add: &mut dyn FnMut(RemoteRange) -> Result<()>| {
                ranges.iter().try_for_each(|range| add(*range))
            })
            .expect("nothing fails");
        let whole = |list: Vec<core::ops::Range<u64>>| {
            let mut joined: Vec<core::ops::Range<u64>> = Vec::new();
            for range in list.into_iter().filter(|range| !range.is_empty()) {
                match joined.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => joined.push(range),
                }
            }
            joined
        };
        let expected = whole(ranges.iter().map(|range| range.as_u64()).collect());
        prop_assert_eq!(whole(bytes), expected);
    }
}
