//! The build id of an ELF file, by which a restore tells that it finds the version that was open.

use std::fs::File;
use std::os::unix::fs::FileExt;

use commensal_sys::{PAGE_SIZE, Pid, RemoteRange, process_vm};
use object::elf::{FileHeader32, FileHeader64, NT_GNU_BUILD_ID, PT_NOTE};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};
use rustix::fs::FileType;

use super::OpenFile;

/// Where a linker puts the note, in bytes from the start: in the first page.
const NEAR: usize = 4096;

/// How far the restore looks for it.
const FAR: usize = 1 << 20;

/// The longest id the restore takes, in bytes.
const LONGEST: usize = 512;

/// include/uapi/linux/magic.h: files of a process, which may be one that stands still.
const FUSE: u64 = 0x6573_5546;

/// Whether the id of a file is looked for.
///
/// Only files that stand for a path are looked at, because these are what tasks run: what is open
/// by a descriptor is data, whose time of the last read is not ours to change.
pub fn may_have(file: &OpenFile) -> bool {
    let regular = file.stat.file_type() == FileType::RegularFile;
    file.is_path && regular && file.fs_magic != FUSE
}

/// The id in the words of `RegFileEntry`; none for a file that has none, or cannot be read.
pub fn of(file: &OpenFile) -> Option<Vec<u32>> {
    let reader = File::from(file.reopen().ok()?);
    [NEAR, FAR]
        .into_iter()
        .find_map(|len| in_elf(&start_of(&reader, len)?))
        .map(|id| words(&id))
}

/// The id of a file that is mapped from its start, in the first page of `memory`, which must be
/// the file's own; `None` where that page does not tell.
///
/// So a file need not be opened, which would break a lease on it, to know its id.
pub fn in_memory(pid: Pid, memory: RemoteRange) -> Option<Vec<u32>> {
    let page = RemoteRange::new(memory.start().get(), memory.start().get() + PAGE_SIZE)?;
    let mut start = [0; NEAR];
    process_vm::read(pid, page.start(), &mut start).ok()?;
    if !start.starts_with(&object::elf::ELFMAG) {
        return Some(Vec::new());
    }
    match in_elf(&start) {
        Some(id) => Some(words(&id)),
        None => has_all_notes(&start).then(Vec::new),
    }
}

/// Whether all notes of an ELF file lie in the part of it that is there.
fn has_all_notes(start: &[u8]) -> bool {
    match FileKind::parse(start) {
        Ok(FileKind::Elf32) => holds_notes::<FileHeader32<Endianness>>(start),
        Ok(FileKind::Elf64) => holds_notes::<FileHeader64<Endianness>>(start),
        _ => None,
    }
    .unwrap_or(false)
}

/// `None` where the headers do not lie there.
fn holds_notes<H: FileHeader>(start: &[u8]) -> Option<bool> {
    let header = H::parse(start).ok()?;
    let endian = header.endian().ok()?;
    let mut segments = header.program_headers(endian, start).ok()?.iter();
    Some(segments.all(|segment| {
        let (at, len) = segment.file_range(endian);
        let end = at.checked_add(len);
        segment.p_type(endian) != PT_NOTE || end.is_some_and(|end| end <= start.len() as u64)
    }))
}

/// The first bytes of an ELF file, as many as there are up to `len`; none of any other file.
fn start_of(reader: &File, len: usize) -> Option<Vec<u8>> {
    let mut magic = [0; object::elf::ELFMAG.len()];
    reader.read_exact_at(&mut magic, 0).ok()?;
    if magic != object::elf::ELFMAG {
        return None;
    }
    let mut start = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match reader.read_at(&mut start[filled..], filled as u64).ok()? {
            0 => break,
            more => filled += more,
        }
    }
    start.truncate(filled);
    Some(start)
}

fn in_elf(start: &[u8]) -> Option<Vec<u8>> {
    match FileKind::parse(start).ok()? {
        FileKind::Elf32 => note::<FileHeader32<Endianness>>(start),
        FileKind::Elf64 => note::<FileHeader64<Endianness>>(start),
        _ => None,
    }
}

/// The first note with the type of a build id, whose name the restore does not look at.
fn note<H: FileHeader>(start: &[u8]) -> Option<Vec<u8>> {
    let header = H::parse(start).ok()?;
    let endian = header.endian().ok()?;
    for segment in header.program_headers(endian, start).ok()? {
        let Ok(Some(mut notes)) = segment.notes(endian, start) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.n_type(endian) == NT_GNU_BUILD_ID {
                let id = note.desc();
                let usable = note.name() == b"GNU" && (1..=LONGEST).contains(&id.len());
                return usable.then(|| id.to_vec());
            }
        }
    }
    None
}

fn words(id: &[u8]) -> Vec<u32> {
    let word = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_ne_bytes(word)
    };
    id.chunks(4).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file of 64 bits whose only segment is one note, at `at`.
    fn elf(kind: u8, name: &[u8; 4], id: &[u8], at: u64) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        file[16] = 3; // e_type: a shared object
        file[18] = 62; // e_machine: x86-64
        file[20] = 1; // e_version
        file[32] = 64; // e_phoff
        file[52] = 64; // e_ehsize
        file[54] = 56; // e_phentsize
        file[56] = 1; // e_phnum
        let segment = &mut file[64..];
        segment[0] = 4; // p_type: PT_NOTE
        segment[8..16].copy_from_slice(&at.to_le_bytes()); // p_offset
        segment[32..40].copy_from_slice(&(16 + id.len() as u64).to_le_bytes()); // p_filesz
        segment[48] = 4; // p_align
        file.resize(at as usize, 0);
        file.extend([4, 0, 0, 0, id.len() as u8, 0, 0, 0, kind, 0, 0, 0]);
        file.extend(name);
        file.extend(id);
        file
    }

    #[test]
    fn finds_the_note_and_nothing_else() {
        let id = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(in_elf(&elf(3, b"GNU\0", &id, 120)), Some(id.to_vec()));
        assert_eq!(in_elf(&elf(1, b"GNU\0", &id, 120)), None);
        assert_eq!(in_elf(&elf(3, b"xyz\0", &id, 120)), None);
        assert_eq!(in_elf(b"#!/bin/sh"), None);
        assert_eq!(in_elf(&elf(3, b"GNU\0", &id, 120)[..130]), None);
    }

    #[test]
    fn a_note_that_is_not_there_is_not_taken_for_none() {
        let file = elf(1, b"GNU\0", &[1, 2, 3, 4], 120);
        assert!(has_all_notes(&file));
        assert!(!has_all_notes(&file[..130]));
        assert!(!has_all_notes(&file[..80]));
        assert!(!has_all_notes(b"#!/bin/sh"));
    }

    #[test]
    fn words_are_as_in_memory() {
        assert_eq!(words(&[1, 0, 0, 0, 2]), [1u32.to_le(), 2u32.to_le()]);
    }
}
