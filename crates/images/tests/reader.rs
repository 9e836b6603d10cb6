//! Reading: what was written comes back, and nothing that can be in a file does harm.

use commensal_images::messages::{
    FdinfoEntry, GhostChunkEntry, InetSkEntry, IpcShmEntry, MmEntry, PagemapEntry, PagemapHead,
    PipeDataEntry, PstreeEntry, RegFileEntry, TcpStreamEntry, VmaEntry,
};
use commensal_images::{
    EntryReader, Existing, Image, ImageSet, ImagesDir, PageSource, Pagemap, Payload, ReadError,
    SavedImages, framing,
};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

/// The bytes of an image with these entries.
fn image_of(image: Image, entries: &[impl Message]) -> Vec<u8> {
    let mut bytes = image.framing().header();
    for entry in entries {
        framing::append_frame(&mut bytes, entry).unwrap();
    }
    bytes
}

fn pstree() -> impl Strategy<Value = PstreeEntry> {
    (
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        vec(any::<u32>(), 0..5),
    )
        .prop_map(|(pid, ppid, pgid, sid, threads)| PstreeEntry {
            pid,
            ppid,
            pgid,
            sid,
            threads,
        })
}

fn reg_file() -> impl Strategy<Value = RegFileEntry> {
    let name = vec(any::<u8>(), 0..300);
    (
        any::<u32>(),
        any::<u64>(),
        name,
        any::<Option<i32>>(),
        vec(any::<u32>(), 0..6),
    )
        .prop_map(|(id, pos, name, mnt_id, build_id)| RegFileEntry {
            id,
            pos,
            name,
            mnt_id,
            build_id,
            ..Default::default()
        })
}

fn mm() -> impl Strategy<Value = MmEntry> {
    let vma = (
        any::<u64>(),
        any::<u64>(),
        any::<i64>(),
        any::<Option<u64>>(),
    )
        .prop_map(|(start, end, fd, madv)| VmaEntry {
            start,
            end,
            fd,
            madv,
            ..Default::default()
        });
    (
        vec(vma, 0..20),
        vec(any::<u64>(), 0..40),
        any::<Option<i32>>(),
    )
        .prop_map(|(vmas, mm_saved_auxv, dumpable)| MmEntry {
            vmas,
            mm_saved_auxv,
            dumpable,
            ..Default::default()
        })
}

proptest! {
    #[test]
    fn entries_come_back(entries in vec(pstree(), 0..20)) {
        let bytes = image_of(Image::Pstree, &entries);
        let read = EntryReader::new(Image::Pstree, &bytes[..]).unwrap().all::<PstreeEntry>();
        prop_assert_eq!(read.unwrap(), entries);
    }

    #[test]
    fn messages_come_back(file in reg_file(), mm in mm()) {
        prop_assert_eq!(&RegFileEntry::decode(&file.encode_to_vec()[..]).unwrap(), &file);
        prop_assert_eq!(&MmEntry::decode(&mm.encode_to_vec()[..]).unwrap(), &mm);
    }

    #[test]
    fn payloads_come_back(payloads in vec(vec(any::<u8>(), 0..500), 0..10)) {
        let dir = tempfile::tempdir().unwrap();
        let set = ImageSet::new(ImagesDir::create(dir.path(), Existing::Refuse).unwrap());
        let mut writer = set.entries(Image::PipesData).unwrap();
        for (pipe_id, payload) in (0..).zip(&payloads) {
            let bytes = payload.len() as u32;
            let entry = PipeDataEntry { pipe_id, bytes, size: None };
            writer.entry_with_payload(&entry, payload).unwrap();
        }
        writer.finish().unwrap();
        set.flush().unwrap();
        let saved = SavedImages::open(dir.path()).unwrap();
        let mut read = Vec::new();
        if let Some(mut reader) = saved.entries(Image::PipesData).unwrap() {
            while let Some((_, payload)) = reader.next_with_payload::<PipeDataEntry>().unwrap() {
                read.push(payload);
            }
        }
        prop_assert_eq!(read, payloads);
    }

    #[test]
    fn any_bytes_are_read_or_refused(tail in vec(any::<u8>(), 0..300)) {
        for image in [Image::Pstree, Image::TcpStream(1), Image::Pagemap(1), Image::Inventory] {
            let bytes = [image.framing().header(), tail.clone()].concat();
            // Each of these must end, with whatever result.
            let _ = EntryReader::new(image, &tail[..]);
            let _ = EntryReader::new(image, &bytes[..]).unwrap().all::<InetSkEntry>();
            let mut reader = EntryReader::new(image, &bytes[..]).unwrap();
            while let Ok(Some(_)) = reader.next_with_payload::<TcpStreamEntry>() {}
            let _ = Pagemap::read(image, &bytes[..]);
        }
    }

    #[test]
    fn a_cut_file_is_noticed(entries in vec(pstree(), 1..5), at in any::<prop::sample::Index>()) {
        let bytes = image_of(Image::Pstree, &entries);
        let mut whole = vec![8];
        for entry in &entries {
            whole.push(whole.last().unwrap() + 4 + entry.encoded_len());
        }
        let cut = at.index(bytes.len());
        let read = EntryReader::new(Image::Pstree, &bytes[..cut])
            .and_then(|reader| reader.all::<PstreeEntry>());
        match whole.iter().position(|&end| end == cut) {
            Some(count) => prop_assert_eq!(read.unwrap(), &entries[..count]),
            None => {
                let truncated = matches!(read, Err(ReadError::Truncated { .. }));
                prop_assert!(truncated);
            }
        }
    }
}

#[test]
fn large_images_are_written_in_pieces_and_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let set = ImageSet::new(ImagesDir::create(dir.path(), Existing::Refuse).unwrap());
    let mut writer = set.entries(Image::Fdinfo(1)).unwrap();
    let entries: Vec<_> = (0..100_000)
        .map(|fd| FdinfoEntry {
            id: fd + 1,
            fd,
            ..Default::default()
        })
        .collect();
    for entry in &entries {
        writer.entry(entry).unwrap();
    }
    writer.finish().unwrap();
    let saved = SavedImages::open(dir.path()).unwrap();
    assert_eq!(saved.all::<FdinfoEntry>(Image::Fdinfo(1)).unwrap(), entries);
}

#[test]
fn a_large_payload_stays_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let set = ImageSet::new(ImagesDir::create(dir.path(), Existing::Refuse).unwrap());
    let payload: Vec<u8> = (0..1u32 << 20).map(|n| (n % 251) as u8).collect();
    let entry = PipeDataEntry {
        pipe_id: 1,
        bytes: payload.len() as u32,
        size: Some(1 << 20),
    };
    let mut writer = set.entries(Image::PipesData).unwrap();
    for _ in 0..2 {
        writer.entry_with_payload(&entry, &payload).unwrap();
    }
    writer.finish().unwrap();
    let saved = SavedImages::open(dir.path()).unwrap();
    let mut reader = saved.entries(Image::PipesData).unwrap().unwrap();
    for _ in 0..2 {
        let (read, bytes) = reader
            .next_with_payload::<PipeDataEntry>()
            .unwrap()
            .unwrap();
        assert_eq!(read, entry);
        assert!(bytes == payload);
    }
    assert!(reader.next::<PipeDataEntry>().unwrap().is_none());
}

#[test]
fn a_wrong_magic_is_named() {
    let bytes = image_of(Image::Pstree, &[PstreeEntry::default()]);
    let error = EntryReader::new(Image::Mm(1), &bytes[..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "mm-1.img: magic 0x50273030 at byte 4, where 0x57492820 belongs"
    );
}

#[test]
fn an_entry_that_lies_about_its_length_takes_no_memory() {
    let mut bytes = Image::Pstree.framing().header();
    bytes.extend(u32::MAX.to_le_bytes());
    let error = EntryReader::new(Image::Pstree, &bytes[..])
        .unwrap()
        .all::<PstreeEntry>();
    let Err(ReadError::Truncated { wanted, found, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!((wanted, found), (u32::MAX.into(), 0));
}

#[test]
fn payload_lengths_include_the_padding() {
    let shm = IpcShmEntry {
        size: 5,
        ..Default::default()
    };
    assert_eq!(shm.payload_len(), 8);
    assert_eq!(
        IpcShmEntry {
            in_pagemaps: Some(true),
            ..shm.clone()
        }
        .payload_len(),
        0
    );
    // A length that cannot be rounded up stays one that no file has.
    assert_eq!(
        IpcShmEntry {
            size: u64::MAX,
            ..shm
        }
        .payload_len(),
        u64::MAX - 3
    );
    let tcp = TcpStreamEntry {
        inq_len: u32::MAX,
        outq_len: u32::MAX,
        ..Default::default()
    };
    assert_eq!(tcp.payload_len(), 2 * u64::from(u32::MAX));
    assert_eq!(GhostChunkEntry { len: 9, off: 1 }.payload_len(), 9);
}

#[test]
fn a_pagemap_tells_where_each_page_is() {
    let run = |vaddr, pages, flags| PagemapEntry {
        vaddr,
        compat_nr_pages: pages,
        flags,
        ..Default::default()
    };
    let mut bytes = image_of(Image::Pagemap(1), &[PagemapHead { pages_id: 4 }]);
    for entry in [
        run(0x1000, 2, Some(4)),
        run(0x4000, 1, Some(1)),
        // Without flags the pages are there, as older images mean it.
        run(0x6000, 1, None),
        run(0x8000, 1, Some(2)),
        run(0xa000, 1, Some(6)),
    ] {
        framing::append_frame(&mut bytes, &entry).unwrap();
    }
    let pagemap = Pagemap::read(Image::Pagemap(1), &bytes[..]).unwrap();
    assert_eq!(pagemap.pages_id, 4);
    for (vaddr, source) in [
        (0x0fff, None),
        (0x1000, Some(PageSource::Image(0))),
        (0x2fff, Some(PageSource::Image(4096))),
        (0x3000, None),
        (0x4123, Some(PageSource::Parent)),
        (0x6000, Some(PageSource::Image(8192))),
        (0x8000, Some(PageSource::Lazy)),
        (0xa000, Some(PageSource::Image(12288))),
    ] {
        assert_eq!(pagemap.find(vaddr), source, "{vaddr:#x}");
    }
}

#[test]
fn pagemaps_beyond_the_address_space_are_refused() {
    for (vaddr, nr_pages) in [(1, 1), (0u64.wrapping_sub(4096), 2), (0, u64::MAX)] {
        let entry = PagemapEntry {
            vaddr,
            nr_pages: Some(nr_pages),
            ..Default::default()
        };
        let mut bytes = image_of(Image::Pagemap(1), &[PagemapHead { pages_id: 1 }]);
        framing::append_frame(&mut bytes, &entry).unwrap();
        let error = Pagemap::read(Image::Pagemap(1), &bytes[..]).unwrap_err();
        assert!(matches!(error, ReadError::Pagemap { .. }), "{error}");
    }
}
