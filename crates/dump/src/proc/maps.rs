//! `/proc/PID/maps`: one line a mapping.
//!
//! Own parser: it runs while the task is frozen, on texts of thousands of lines.

use commensal_sys::{PAGE_SIZE, Pid, RemoteRange};

use super::text::{Cursor, lines};
use super::{path, read, unexpected};
use crate::Result;

/// `PROT_READ` (mmap(2)).
pub const PROT_READ: u32 = 1;
/// `PROT_WRITE` (mmap(2)).
pub const PROT_WRITE: u32 = 2;
/// `PROT_EXEC` (mmap(2)).
pub const PROT_EXEC: u32 = 4;

/// A device as its two numbers: the file system of a mapped file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Device {
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

impl Device {
    /// The device of a `st_dev` (makedev(3)).
    pub fn from_st_dev(dev: u64) -> Self {
        Self {
            major: rustix::fs::major(dev),
            minor: rustix::fs::minor(dev),
        }
    }
}

/// One line of `/proc/PID/maps`: what the kernel says of one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapsLine {
    /// The addresses: whole pages, never empty.
    pub range: RemoteRange,
    /// `PROT_*` bits.
    pub prot: u32,
    /// Mapped with `MAP_SHARED`; otherwise writes stay private.
    pub shared: bool,
    /// Where in the file it begins, in bytes.
    pub pgoff: u64,
    /// The file system of the file behind; 0:0 where there is none.
    pub dev: Device,
    /// The inode of the file behind; 0 where there is none.
    pub ino: u64,
    /// The file's path, or what kind of mapping it is (`[heap]`); often empty.
    ///
    /// The kernel writes a newline as `\012` and leaves a backslash alone, and
    /// appends ` (deleted)`, which may as well be a part of the name: good for
    /// looking, never for telling which file it is.
    pub name: Vec<u8>,
}

impl MapsLine {
    /// The line's parts, or `None` where it is not as proc_pid_maps(5) says.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut text = Cursor::new(line);
        let start = text.hex()?;
        text.byte(b'-')?;
        let end = text.hex()?;
        text.byte(b' ')?;
        let (prot, shared) = permissions(text.take(4)?)?;
        text.byte(b' ')?;
        let pgoff = text.hex()?;
        text.byte(b' ')?;
        let major = u32::try_from(text.hex()?).ok()?;
        text.byte(b':')?;
        let minor = u32::try_from(text.hex()?).ok()?;
        text.byte(b' ')?;
        let ino = text.decimal()?;
        text.spaces();
        Some(Self {
            range: pages(start, end)?,
            prot,
            shared,
            pgoff,
            dev: Device { major, minor },
            ino,
            name: text.rest().to_vec(),
        })
    }
}

/// The range, where it is made of whole pages and not empty.
fn pages(start: u64, end: u64) -> Option<RemoteRange> {
    let whole = start.is_multiple_of(PAGE_SIZE) && end.is_multiple_of(PAGE_SIZE);
    RemoteRange::new(start, end).filter(|range| whole && !range.is_empty())
}

/// `PROT_*` bits and whether the mapping is shared, of a text like `rw-p`.
fn permissions(text: &[u8]) -> Option<(u32, bool)> {
    let mut prot = 0;
    for (have, (letter, bit)) in
        text.iter()
            .zip([(b'r', PROT_READ), (b'w', PROT_WRITE), (b'x', PROT_EXEC)])
    {
        match *have {
            b'-' => {}
            have if have == letter => prot |= bit,
            _ => return None,
        }
    }
    match text[3] {
        b's' => Some((prot, true)),
        b'p' => Some((prot, false)),
        _ => None,
    }
}

/// All mappings of a task, in ascending order.
///
/// # Errors
///
/// [`Error::Gone`](crate::Error::Gone) when the task is,
/// [`Error::Parse`](crate::Error::Parse) where a line is not as expected or
/// the mappings are out of order.
pub fn maps(pid: Pid) -> Result<Vec<MapsLine>> {
    read_whole(pid).map(|(_, maps)| maps)
}

/// The same, with the text. That comes in several reads, between which a running task may join mappings of which
/// the first was told already: then it is read again.
///
/// # Errors
///
/// As [`maps`], where it is so every time.
pub fn read_whole(pid: Pid) -> Result<(Vec<u8>, Vec<MapsLine>)> {
    const TIMES: usize = 16;
    let mut times = 1;
    loop {
        let text = text(pid)?;
        match parse(pid, &text) {
            Ok(maps) => return Ok((text, maps)),
            Err(_) if times < TIMES => times += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The text of them all.
///
/// # Errors
///
/// [`Error::Gone`](crate::Error::Gone) when the task is.
pub fn text(pid: Pid) -> Result<Vec<u8>> {
    read(pid, "maps")
}

/// The mappings in a text of a task's.
///
/// # Errors
///
/// [`Error::Parse`](crate::Error::Parse), as [`maps`].
pub fn parse(pid: Pid, text: &[u8]) -> Result<Vec<MapsLine>> {
    let mut maps = Vec::with_capacity(text.len() / 64);
    let mut end = 0;
    for line in lines(text) {
        let entry = MapsLine::parse(line)
            .filter(|entry| entry.range.start().get() >= end)
            .ok_or_else(|| unexpected(path(pid, "maps"), line))?;
        end = entry.range.end().get();
        maps.push(entry);
    }
    Ok(maps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_mapping() {
        let line = b"55c6325bb000-55c6325bc000 r-xs 00003000 fe:0a 18504                      /a b\\012c (deleted)";
        let entry = MapsLine::parse(line).expect("as proc(5) says");
        assert_eq!(entry.range.as_u64(), 0x55c6_325b_b000..0x55c6_325b_c000);
        assert_eq!(entry.prot, PROT_READ | PROT_EXEC);
        assert!(entry.shared);
        assert_eq!(entry.pgoff, 0x3000);
        assert_eq!(
            entry.dev,
            Device {
                major: 0xfe,
                minor: 10
            }
        );
        assert_eq!(entry.ino, 18504);
        assert_eq!(entry.name, b"/a b\\012c (deleted)");
    }

    #[test]
    fn an_anonymous_mapping_and_the_vsyscall_page() {
        let anon = MapsLine::parse(b"7f32712f4000-7f3271427000 rw-p 00000000 00:00 0 ");
        assert_eq!(anon.expect("as proc(5) says").name, b"");
        let line =
            b"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]";
        assert_eq!(
            MapsLine::parse(line).expect("as proc(5) says").name,
            b"[vsyscall]"
        );
    }

    #[test]
    fn what_is_not_a_mapping_is_not_parsed() {
        for line in [
            &b""[..],
            b"Size: 4 kB",
            b"1000-2000",
            b"2000-1000 rw-p 00000000 00:00 0",
            b"1000-1000 rw-p 00000000 00:00 0",
            b"1001-2000 rw-p 00000000 00:00 0",
            b"1000-2000 wr-p 00000000 00:00 0",
            b"1000-2000 rw-? 00000000 00:00 0",
            b"1000-2000 rw-p 00000000 00:00 x",
            b"10000000000000000-20000000000000000 rw-p 00000000 00:00 0",
        ] {
            assert_eq!(
                MapsLine::parse(line),
                None,
                "{:?}",
                String::from_utf8_lossy(line)
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = MapsLine::parse(&line);
        }

        #[test]
        fn what_the_kernel_prints_comes_back(
            first in 0u64..0xf_ffff_ffff,
            count in 1u64..0xffff,
            perms in "[r-][w-][x-][ps]",
            pgoff in any::<u64>(),
            dev in any::<(u32, u32)>(),
            ino in any::<u64>(),
            name in "(/[^\n]{0,40})?",
        ) {
            let (start, end) = (first << 12, (first + count) << 12);
            let (major, minor) = dev;
            let line =
                format!("{start:08x}-{end:08x} {perms} {pgoff:08x} {major:02x}:{minor:02x} {ino} {name}");
            let entry = MapsLine::parse(line.as_bytes()).expect("as proc(5) says");
            prop_assert_eq!(entry.range.as_u64(), start..end);
            prop_assert_eq!(entry.shared, perms.ends_with('s'));
            prop_assert_eq!(entry.prot & PROT_WRITE != 0, perms.contains('w'));
            prop_assert_eq!((entry.pgoff, entry.dev.major, entry.dev.minor), (pgoff, major, minor));
            prop_assert_eq!((entry.ino, entry.name), (ino, name.into_bytes()));
        }
    }
}
