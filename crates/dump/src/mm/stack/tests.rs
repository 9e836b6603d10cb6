//! A stack that is written to between being read ahead and the copy of the rest.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use commensal_images::messages::InventoryEntry;
use commensal_images::{Existing, Image, ImageSet, ImagesDir};
use commensal_sys::{Pid, process_vm};

use super::*;
use crate::mm::{Allow, MappedFileCache, PageWriter};
use crate::pidns::Pids;

/// A shell that has said something and waits for its input.
fn waiting() -> (Child, Pid) {
    let mut child = Command::new("sh")
        .args(["-c", "echo ready; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::new(child.id() as i32).unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    while crate::proc::Stat::read(pid).unwrap().state != b'S' {
        std::thread::yield_now();
    }
    (child, pid)
}

/// The pagemap and the pages that a copy of the whole task writes into `dir`.
fn images(dir: &Path, mappings: &Mappings, stack: Option<&StackCopy>) -> (Vec<u8>, Vec<u8>) {
    let set = ImageSet::new(ImagesDir::create(dir, Existing::Refuse).unwrap());
    let id = Pids::OURS.task(mappings.pid()).unwrap();
    let pages = PageWriter::new(&set);
    pages.task_beside(id, mappings, None, stack).unwrap();
    drop(pages);
    set.finish(&InventoryEntry::default()).unwrap();
    let read = |image: Image| std::fs::read(dir.join(image.file_name())).unwrap();
    (read(id.pagemap()), read(Image::Pages(1)))
}

#[test]
fn what_is_written_to_the_stack_meanwhile_is_in_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, pid) = waiting();
    let mut files = MappedFileCache::default();
    let mappings = Mappings::read(pid, &mut files, Allow::default()).unwrap();
    let stack = StackCopy::take(&mappings, None)
        .unwrap()
        .expect("a small stack");
    let before = images(&folder.path().join("before"), &mappings, None);
    // The lowest page has never been there: all below a shell's frames is unused.
    process_vm::write(pid, stack.range.start(), b"not of the shell").unwrap();
    let beside = images(&folder.path().join("beside"), &mappings, Some(&stack));
    let after = images(&folder.path().join("after"), &mappings, None);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(before == beside, "the images have what was written");
    assert!(before != after, "nothing was written");
}

#[test]
fn only_what_was_read_is_given_for_a_range() {
    let range = |start, end| RemoteRange::new(start, end).unwrap();
    let copy = StackCopy {
        range: range(0x1000, 0x9000),
        runs: [(0x2000, 0x3000), (0x5000, 0x7000)]
            .map(|(start, end)| Run {
                range: range(start, end),
                flags: super::super::pagemap::flags::PRESENT,
            })
            .to_vec(),
        found: TaskPages::default(),
        bytes: [[1u8; 0x1000], [2; 0x1000], [3; 0x1000]].concat(),
    };
    assert_eq!(copy.bytes(range(0x6000, 0x7000)), Some(&[3; 0x1000][..]));
    assert_eq!(
        copy.bytes(range(0x5800, 0x6800)).unwrap()[0x7ff..0x801],
        [2, 3]
    );
    assert_eq!(copy.bytes(range(0x3000, 0x4000)), None);
    assert_eq!(copy.bytes(range(0x6000, 0x8000)), None);
}
