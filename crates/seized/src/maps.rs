//! The target's mappings, as far as injection needs them: which are
//! executable, where the main stack is, and where there is room.
//!
//! Own code, not the procfs crate: it runs while the target is frozen and
//! needs four of the fields.

use std::io::Read;

use commensal_sys::{Pid, RemoteRange};

use crate::Error;

/// One line of /proc/PID/maps.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) range: RemoteRange,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) executable: bool,
    /// Of executable ones the offset, device and inode as the kernel prints them: a key for "the
    /// same part of the same file".
    pub(crate) file: Vec<u8>,
    /// No file behind it.
    pub(crate) anonymous: bool,
    pub(crate) is_stack: bool,
}

/// All mappings of a task, by address.
#[derive(Clone, Debug)]
pub struct Maps {
    pub(crate) mappings: Vec<Mapping>,
}

/// The end of the lower half of the address space (4-level paging).
const TASK_SIZE: u64 = 0x7fff_ffff_f000;
/// The lowest address that mmap(2) may be refused (vm.mmap_min_addr), rounded
/// up generously.
const LOWEST: u64 = 0x10_0000;

impl Maps {
    /// Reads the mappings of `pid`.
    ///
    /// # Errors
    ///
    /// [`Error::Proc`] where /proc/PID/maps cannot be read.
    pub fn read(pid: Pid) -> Result<Self, Error> {
        let path = format!("/proc/{pid}/maps");
        match text(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(source) => Err(Error::Proc { path, source }),
        }
    }

    /// Lines that are no mapping are passed over: the kernel escapes newlines
    /// in file names, so there are none.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let lines = text.split(|&b| b == b'\n');
        Self {
            mappings: lines.filter_map(parse_line).collect(),
        }
    }

    /// The middle of the largest hole, page-aligned, where `len` bytes fit far
    /// from everything: heap, stack and mmap area may grow meanwhile.
    pub fn hole(&self, len: u64) -> Option<u64> {
        let mut end = LOWEST;
        let mut best = (0, 0);
        let ends = self
            .mappings
            .iter()
            .map(|m| (m.range.start().get(), m.range.end().get()));
        for (start, next_end) in ends.chain([(TASK_SIZE, TASK_SIZE)]) {
            let start = start.min(TASK_SIZE);
            best = best.max((start.saturating_sub(end), end));
            end = end.max(next_end);
        }
        let (size, start) = best;
        (size >= len.checked_mul(2)?).then(|| (start + (size - len) / 2) & !0xfff)
    }
}

/// A text of /proc, whose size nobody knows beforehand: in pieces as large as the kernel gives.
pub(crate) fn text(path: &str) -> std::io::Result<Vec<u8>> {
    const ROOM: usize = 16 << 10;
    let mut text = Vec::with_capacity(ROOM);
    let mut file = std::fs::File::open(path)?;
    let mut end = 0;
    loop {
        text.resize(end + ROOM, 0);
        match file.read(&mut text[end..])? {
            0 => break,
            n => end += n,
        }
    }
    text.truncate(end);
    Ok(text)
}

/// `start-end perms offset dev inode   path` (proc_pid_maps(5)), one space between the first five.
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let range = parse_range(fields.next()?)?;
    let perms = fields.next()?;
    let (offset, dev, inode) = (fields.next()?, fields.next()?, fields.next()?);
    let has = |index: usize, flag: u8| perms.get(index) == Some(&flag);
    let executable = has(2, b'x');
    Some(Mapping {
        range,
        readable: has(0, b'r'),
        writable: has(1, b'w'),
        executable,
        file: match executable {
            true => [offset, dev, inode].join(&b' '),
            false => Vec::new(),
        },
        anonymous: inode == b"0",
        is_stack: inode == b"0" && fields.next().map(<[u8]>::trim_ascii) == Some(b"[stack]"),
    })
}

fn parse_range(field: &[u8]) -> Option<RemoteRange> {
    let (start, end) = str::from_utf8(field).ok()?.split_once('-')?;
    let hex = |digits| u64::from_str_radix(digits, 16).ok();
    RemoteRange::new(hex(start)?, hex(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
00400000-00401000 r-xp 00001000 08:02 173521 /bin/a b
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    #[test]
    fn fields_are_read() {
        let maps = Maps::parse(TEXT);
        assert_eq!(maps.mappings.len(), 3);
        let text = &maps.mappings[0];
        assert!(text.executable && text.readable && !text.writable && !text.is_stack);
        assert_eq!(text.file, b"00001000 08:02 173521");
        assert!(maps.mappings[1].is_stack && maps.mappings[1].anonymous);
        assert!(!maps.mappings[2].readable);
    }

    #[test]
    fn a_file_called_stack_is_not_the_stack() {
        let line = b"1000-2000 rw-p 00000000 08:02 5 [stack]";
        assert!(!parse_line(line).unwrap().is_stack);
    }

    #[test]
    fn the_hole_touches_no_mapping() {
        let maps = Maps::parse(TEXT);
        let start = maps.hole(0x20000).unwrap();
        let hole = RemoteRange::new(start, start + 0x20000).unwrap();
        assert!(maps.mappings.iter().all(|m| !m.range.overlaps(hole)));
        assert_eq!(start % 4096, 0);
    }
}
