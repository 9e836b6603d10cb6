//! Pipes and FIFOs, with what is in them.

use std::fs::File;
use std::io::{Read, Write};

use commensal_dump::Options;
use commensal_images::Image;
use commensal_images::messages::{FdTypes, PipeDataEntry, RemapFilePathEntry};
use rustix::fs::{FileType, Mode};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use tempfile::TempDir;

use crate::victim::{Victim, dump, null, refusal_of_frozen};

#[test]
fn what_is_in_a_pipe_is_copied_and_stays_there() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    fcntl_setpipe_size(&writer, 256 << 10).unwrap();
    let contents: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
    writer.write_all(&contents).unwrap();
    let victim = Victim::with(reader.try_clone().unwrap(), writer.try_clone().unwrap());
    let dumped = dump(&[&victim], &Options::default()).unwrap();

    let (read_end, write_end) = (dumped.file(0, 1), dumped.file(0, 2));
    let (read_end, write_end) = (
        read_end.pipe.as_ref().unwrap(),
        write_end.pipe.as_ref().unwrap(),
    );
    assert_eq!(read_end.pipe_id, write_end.pipe_id);
    assert_ne!(read_end.id, write_end.id);
    assert_eq!((read_end.flags & 3, write_end.flags & 3), (0, 1));

    let mut data = dumped.images.entries(Image::PipesData).unwrap().unwrap();
    let mut found = None;
    while let Some((entry, bytes)) = data.next_with_payload::<PipeDataEntry>().unwrap() {
        if entry.pipe_id == read_end.pipe_id {
            assert_eq!(entry.size, Some(256 << 10));
            assert!(found.replace(bytes).is_none(), "once only");
        }
    }
    assert_eq!(found.unwrap(), contents);

    let mut left = vec![0; contents.len()];
    reader.read_exact(&mut left).unwrap();
    assert_eq!(left, contents);
}

#[test]
fn packets_unread_are_refused() {
    let (_reader, writer) = pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).unwrap();
    let victim = Victim::with(writer.try_clone().unwrap(), null());
    dump(&[&victim], &Options::default()).unwrap();
    rustix::io::write(&writer, b"a packet").unwrap();
    // Only a tree that stands still is refused: one that runs may read them yet.
    let refused = refusal_of_frozen(&victim);
    assert!(refused.what.contains("packet"), "{refused}");
}

#[test]
fn a_fifo_has_its_path_and_its_data_even_when_it_is_deleted() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let mut fifo = File::options().read(true).write(true).open(&path).unwrap();
    fifo.write_all(b"waiting").unwrap();
    std::fs::remove_file(&path).unwrap();
    let dumped = dump(&[&Victim::with(fifo, null())], &Options::default()).unwrap();

    let fifo = dumped.file(0, 1);
    assert_eq!(fifo.r#type(), FdTypes::Fifo);
    let fifo = fifo.fifo.as_ref().unwrap();
    let path_entry = dumped
        .files
        .iter()
        .find(|file| Some(file.id) == fifo.regf_id)
        .unwrap();
    let remaps: Vec<RemapFilePathEntry> = dumped.images.all(Image::RemapFpath).unwrap();
    assert_eq!(remaps[0].orig_id, path_entry.id);
    let mut data = dumped.images.entries(Image::FifoData).unwrap().unwrap();
    let (entry, bytes) = data.next_with_payload::<PipeDataEntry>().unwrap().unwrap();
    assert_eq!(
        (entry.pipe_id, bytes.as_slice()),
        (fifo.pipe_id, &b"waiting"[..])
    );
}
