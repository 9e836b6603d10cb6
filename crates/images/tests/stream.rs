//! Streams: what goes in comes out, and nothing else does harm.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use commensal_images::messages::{InventoryEntry, PstreeEntry, StatsEntry};
use commensal_images::stream::{Compression, ExtractError, Extracted, ImageStream, extract};
use commensal_images::{
    Existing, Image, ImageSet, ImageSink, ImagesDir, WriteError, write_service,
};
use proptest::prelude::*;

/// A pipe that holds a few pieces.
fn pipe() -> (PipeWriter, PipeReader) {
    let (sender, receiver) = sync_channel(2);
    let reader = PipeReader {
        receiver,
        rest: Vec::new(),
    };
    (PipeWriter(sender), reader)
}

struct PipeWriter(SyncSender<Vec<u8>>);

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.send(bytes.to_vec()) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct PipeReader {
    receiver: Receiver<Vec<u8>>,
    rest: Vec<u8>,
}

impl Read for PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = self.receiver.recv().unwrap_or_default();
        }
        let len = buf.len().min(self.rest.len());
        buf[..len].copy_from_slice(&self.rest[..len]);
        self.rest.drain(..len);
        Ok(len)
    }
}

fn inventory() -> InventoryEntry {
    InventoryEntry {
        img_version: 2,
        ..Default::default()
    }
}

/// Pages that no two places have in common.
fn pages(len: usize) -> Vec<u8> {
    (0..len as u32)
        .flat_map(|n| (n / 3).to_le_bytes())
        .take(len)
        .collect()
}

/// Writes one set into any sink: small images, and pages by two threads, the last ones first.
fn write_set<S: ImageSink>(sink: S) -> Result<S, WriteError> {
    let set = ImageSet::new(sink);
    let bytes = pages(5 << 20);
    let (first, second) = bytes.split_at(3 << 20);
    let raw = set.raw(Image::Pages(1))?;
    set.one(Image::Pstree, &PstreeEntry::default())?;
    std::thread::scope(|scope| {
        let late = scope.spawn(|| raw.write_all_at(second, 3 << 20));
        raw.write_all_at(first, 0)?;
        late.join().expect("a writer that does not panic")
    })?;
    drop(raw);
    let sink = set.finish(&inventory())?;
    write_service(&sink, Image::StatsDump, &StatsEntry::default())?;
    Ok(sink)
}

/// The bytes of a stream with that set.
fn stream(compression: Compression) -> Vec<u8> {
    let (writer, mut reader) = pipe();
    let collect = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    let stream = ImageStream::begin(writer, compression, Box::new(|| false)).unwrap();
    write_set(stream).unwrap().finish().unwrap();
    collect.join().unwrap().unwrap()
}

fn extract_into(dir: &Path, bytes: &[u8]) -> Result<Extracted, ExtractError> {
    extract(bytes, &ImagesDir::create(dir, Existing::Refuse).unwrap())
}

/// Names and contents of all files in a directory.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_stream_becomes_the_same_files() {
    let direct = tempfile::tempdir().unwrap();
    write_set(ImagesDir::create(direct.path(), Existing::Refuse).unwrap()).unwrap();
    for compression in [Compression::None, Compression::Lz4] {
        let dir = tempfile::tempdir().unwrap();
        let bytes = stream(compression);
        let extracted = extract_into(dir.path(), &bytes).unwrap();
        assert_eq!(extracted.files, 3, "two images and the inventory");
        assert!(
            contents(dir.path()) == contents(direct.path()),
            "{compression:?}"
        );
    }
    assert!(stream(Compression::Lz4).len() < stream(Compression::None).len() * 3 / 4);
}

#[test]
fn a_cut_stream_leaves_no_image_set() {
    let bytes = stream(Compression::None);
    let stats = contents_of_stats().len() as u64;
    let complete = bytes.len() - 24 - "stats-dump".len() - stats as usize;
    for cut in [0, 5, 8, 20, 40, 1 << 20, complete - 30, complete - 1] {
        let dir = tempfile::tempdir().unwrap();
        let error = extract_into(dir.path(), &bytes[..cut]).unwrap_err();
        match cut {
            0..8 => assert!(matches!(error, ExtractError::NotAStream), "{cut}: {error}"),
            _ => assert!(
                matches!(error, ExtractError::Truncated(_)),
                "{cut}: {error}"
            ),
        }
        assert!(!dir.path().join("inventory.img").exists(), "cut at {cut}");
    }
    for cut in [complete + 1, bytes.len() - 1] {
        let dir = tempfile::tempdir().unwrap();
        let error = extract_into(dir.path(), &bytes[..cut]).unwrap_err();
        assert!(matches!(error, ExtractError::Behind(_)), "{cut}: {error}");
    }
    let dir = tempfile::tempdir().unwrap();
    extract_into(dir.path(), &bytes[..complete]).unwrap();
    assert!(dir.path().join("inventory.img").exists());
}

/// What `stats-dump` holds in that set.
fn contents_of_stats() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let sink = ImagesDir::create(dir.path(), Existing::Refuse).unwrap();
    write_service(&sink, Image::StatsDump, &StatsEntry::default()).unwrap();
    fs::read(dir.path().join("stats-dump")).unwrap()
}

/// One record of a stream.
fn record(kind: u32, file: u32, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let head = [&kind.to_le_bytes()[..], &file.to_le_bytes()].concat();
    let rest = [offset, bytes.len() as u64].map(u64::to_le_bytes).concat();
    [&head[..], &rest, bytes].concat()
}

#[test]
fn only_names_of_images_become_files() {
    for name in [
        "../pages-1.img",
        "/tmp/pages-1.img",
        "sub/pages-1.img",
        "notes",
        "",
        "inventory.img",
        "stats-dump",
        "pages-1.img\0",
        "pages-01.img",
        "..",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let bytes = [b"commnsl\x01".to_vec(), record(1, 0, 0, name.as_bytes())].concat();
        let error = extract_into(dir.path(), &bytes).unwrap_err();
        assert!(
            matches!(error, ExtractError::Damaged { .. }),
            "{name}: {error}"
        );
        assert_eq!(contents(dir.path()), [], "{name}");
    }
}

#[test]
fn records_that_contradict_each_other_are_refused() {
    let begin = record(1, 0, 0, b"pages-1.img");
    let end = record(3, 0, 0, b"");
    let inventory = 0x5831_3116_u32.to_le_bytes();
    for (what, records) in [
        ("another number", vec![record(1, 1, 0, b"pages-1.img")]),
        (
            "a name twice",
            vec![begin.clone(), record(1, 1, 0, b"pages-1.img")],
        ),
        ("no such file", vec![record(2, 0, 0, b"x")]),
        (
            "too far out",
            vec![begin.clone(), record(2, 0, u64::MAX, b"x")],
        ),
        ("ended twice", vec![begin.clone(), end.clone(), end.clone()]),
        (
            "written after its end",
            vec![begin.clone(), end.clone(), record(2, 0, 0, b"x")],
        ),
        (
            "still open",
            vec![begin.clone(), record(4, 1, 0, &inventory)],
        ),
        (
            "a file is missing",
            vec![begin.clone(), end.clone(), record(4, 2, 0, &inventory)],
        ),
        (
            "a piece is missing",
            vec![begin.clone(), end.clone(), record(4, 1, 1, &inventory)],
        ),
        ("no inventory", vec![record(4, 0, 0, b"xxxx")]),
        ("no such record", vec![record(9, 0, 0, b"")]),
        ("too early", vec![record(5, 10, 0, b"stats-dumpx")]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let bytes = [b"commnsl\x01".to_vec(), records.concat()].concat();
        let error = extract_into(dir.path(), &bytes).unwrap_err();
        let refused = matches!(error, ExtractError::Damaged { .. } | ExtractError::Write(_));
        assert!(refused, "{what}: {error}");
        assert!(!dir.path().join("inventory.img").exists(), "{what}");
    }
}

#[test]
fn a_reader_that_goes_away_is_an_error() {
    let (writer, reader) = pipe();
    drop(reader);
    let stream = ImageStream::begin(writer, Compression::None, Box::new(|| false)).unwrap();
    let Err(WriteError::Io { source, .. }) = write_set(stream) else {
        panic!("nobody reads it");
    };
    assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_reader_that_does_not_read_can_be_given_up() {
    let (writer, _reader) = pipe();
    let stream = ImageStream::begin(writer, Compression::None, Box::new(|| true)).unwrap();
    let Err(WriteError::Io { source, .. }) = write_set(stream) else {
        panic!("nobody reads it");
    };
    assert_eq!(source.kind(), io::ErrorKind::Interrupted);
}

proptest! {
    #[test]
    fn a_damaged_stream_is_extracted_or_refused(
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut bytes = [
            b"commnsl\x01".to_vec(),
            record(1, 0, 0, b"pages-1.img"),
            record(2, 0, 4, b"pages"),
            record(3, 0, 0, b""),
            record(4, 1, 5, &0x5831_3116_u32.to_le_bytes()),
        ].concat();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let dir = tempfile::tempdir().unwrap();
        let result = extract_into(dir.path(), &bytes);
        let complete = matches!(result, Ok(_) | Err(ExtractError::Behind(_)));
        prop_assert_eq!(dir.path().join("inventory.img").exists(), complete);
    }
}
