//! `/proc/PID/smaps`: the mappings with their flags.
//!
//! The kernel walks the page tables of every mapping to write it: 14 ms for
//! 1 GiB in pages of 4 KiB. `maps` says nothing of these flags.

use core::ops::{BitOr, BitOrAssign};

use commensal_sys::Pid;

use super::maps::MapsLine;
use super::text::{Cursor, lines};
use super::{path, read, unexpected};
use crate::Result;

/// A set of the kernel's `VM_*` flags, as far as a dump asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VmFlags(u32);

macro_rules! vm_flags {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// One bit a flag, in the order of the list.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Bit { $($name,)* }

        impl VmFlags {
            $($(#[$doc])* pub const $name: Self = Self(1 << Bit::$name as u32);)*

            /// The flag that smaps writes as these two letters; none where the
            /// dump does not ask for it.
            fn from_code(code: &[u8]) -> Self {
                $(if code == $code { return Self::$name; })*
                Self::default()
            }
        }
    };
}

vm_flags! {
    /// May be made writable; for a shared file mapping: the file was open for writing.
    MAY_WRITE = b"mw",
    /// Grows down, as stacks do (`MAP_GROWSDOWN`).
    GROWS_DOWN = b"gd",
    /// Memory of a device, not pages with a page frame each.
    PFN_MAP = b"pf",
    /// Memory of a device.
    IO = b"io",
    /// Locked into memory (mlock(2), `MAP_LOCKED`).
    LOCKED = b"lo",
    /// Not counted as committed memory (`MAP_NORESERVE`).
    NO_RESERVE = b"nr",
    /// Made of explicit huge pages (`MAP_HUGETLB`).
    HUGETLB = b"ht",
    /// Dropped by the kernel when memory is short (`MAP_DROPPABLE`).
    DROPPABLE = b"dp",
    /// `MADV_SEQUENTIAL`.
    SEQUENTIAL = b"sr",
    /// `MADV_RANDOM`.
    RANDOM = b"rr",
    /// `MADV_DONTFORK`.
    DONT_FORK = b"dc",
    /// `MADV_DONTDUMP`.
    DONT_DUMP = b"dd",
    /// `MADV_MERGEABLE`.
    MERGEABLE = b"mg",
    /// `MADV_HUGEPAGE`.
    HUGE_PAGE = b"hg",
    /// `MADV_NOHUGEPAGE`.
    NO_HUGE_PAGE = b"nh",
    /// `MADV_WIPEONFORK`.
    WIPE_ON_FORK = b"wf",
    /// A shadow stack of the processor.
    SHADOW_STACK = b"ss",
    /// A userfaultfd waits for missing pages.
    UFFD_MISSING = b"um",
    /// A userfaultfd waits for writes.
    UFFD_WRITE = b"uw",
    /// A userfaultfd waits for minor faults.
    UFFD_MINOR = b"ui",
    /// Sealed against changes (mseal(2)).
    SEALED = b"sl",
}

impl VmFlags {
    /// Whether all of `other` are in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of this set that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether one of `other` is in this set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for VmFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for VmFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// What smaps says of one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmapsEntry {
    /// The line that `maps` has for it, too.
    pub line: MapsLine,
    /// Its flags.
    pub flags: VmFlags,
    /// The size of its pages, in bytes: 4096 but for explicit huge pages.
    pub page_size: u64,
    /// Whether private pages in it may be shared with another process, since a fork(2).
    pub forked: bool,
    /// Its protection key (pkeys(7)); 0 is that of all memory without another.
    pub protection_key: u64,
}

/// All mappings of a task with their flags, in ascending order.
///
/// # Errors
///
/// As [`maps`](super::maps::maps).
pub fn smaps(pid: Pid) -> Result<Vec<SmapsEntry>> {
    /// A text comes in several reads, between which a running task may join mappings of which
    /// the first was told already: then it is read again.
    const TRIES: usize = 10;
    for _ in 1..TRIES {
        if let Ok(entries) = parse(&read(pid, "smaps")?) {
            return Ok(entries);
        }
    }
    let text = read(pid, "smaps")?;
    parse(&text).map_err(|line| unexpected(path(pid, "smaps"), line))
}

/// The entries of a text, or the line that is not as expected.
pub(super) fn parse(text: &[u8]) -> Result<Vec<SmapsEntry>, &[u8]> {
    let mut entries: Vec<SmapsEntry> = Vec::with_capacity(text.len() / 700);
    // Kibibytes that other processes have, too.
    let mut shared = 0;
    for line in lines(text) {
        // Names of fields begin with a capital, addresses never do.
        if !line[0].is_ascii_uppercase() {
            let end = entries.last().map_or(0, |last| last.line.range.end().get());
            shared = 0;
            let parsed = MapsLine::parse(line)
                .filter(|entry| entry.range.start().get() >= end)
                .ok_or(line)?;
            entries.push(SmapsEntry {
                line: parsed,
                flags: VmFlags::default(),
                page_size: commensal_sys::PAGE_SIZE,
                forked: false,
                protection_key: 0,
            });
        } else if let Some(codes) = line.strip_prefix(b"VmFlags:") {
            let entry = entries.last_mut().ok_or(line)?;
            for code in codes.split(u8::is_ascii_whitespace) {
                entry.flags |= VmFlags::from_code(code);
            }
        } else if let Some(size) = line.strip_prefix(b"KernelPageSize:") {
            let entry = entries.last_mut().ok_or(line)?;
            let kib = number(size)
                .filter(|kib| kib.is_power_of_two())
                .ok_or(line)?;
            entry.page_size = kib.checked_mul(1024).ok_or(line)?;
        } else if let Some(kib) = after(line, &[b"Shared_Clean:", b"Shared_Dirty:"]) {
            shared |= number(kib).ok_or(line)?;
        } else if let Some(kib) = line.strip_prefix(b"Anonymous:") {
            let entry = entries.last_mut().ok_or(line)?;
            entry.forked = shared > 0 && number(kib).ok_or(line)? > 0;
        } else if let Some(key) = line.strip_prefix(b"ProtectionKey:") {
            let entry = entries.last_mut().ok_or(line)?;
            entry.protection_key = number(key).ok_or(line)?;
        }
    }
    Ok(entries)
}

/// What stands behind one of these names at the start of a line.
fn after<'l>(line: &'l [u8], names: &[&[u8]]) -> Option<&'l [u8]> {
    names.iter().find_map(|name| line.strip_prefix(*name))
}

/// The number that a value begins with, behind spaces.
fn number(value: &[u8]) -> Option<u64> {
    let mut text = Cursor::new(value);
    text.spaces();
    text.decimal()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"\
00400000-00600000 rw-s 00000000 00:0f 42                         /anon_hugepage (deleted)
Size:               2048 kB
KernelPageSize:     2048 kB
VmFlags: rd wr sh mr mw me ms de ht sd
7ffe31c08000-7ffe31c29000 rw-p 00000000 00:00 0                          [stack]
KernelPageSize:        4 kB
Shared_Clean:          0 kB
Shared_Dirty:          8 kB
Anonymous:            12 kB
ProtectionKey:         3
VmFlags: rd wr mr mw me gd ac
";

    #[test]
    fn flags_and_page_sizes_belong_to_the_mapping_above() {
        let entries = parse(TEXT).expect("as proc(5) says");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].page_size, 2 << 20);
        assert_eq!(entries[0].flags, VmFlags::MAY_WRITE | VmFlags::HUGETLB);
        assert_eq!(entries[1].page_size, 4096);
        assert_eq!(entries[1].flags, VmFlags::MAY_WRITE | VmFlags::GROWS_DOWN);
        assert_eq!(entries[1].line.name, b"[stack]");
        assert_eq!(
            (entries[0].protection_key, entries[1].protection_key),
            (0, 3)
        );
    }

    #[test]
    fn a_field_without_a_mapping_is_an_error() {
        assert_eq!(parse(b"VmFlags: rd\n"), Err(&b"VmFlags: rd"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&text);
        }

        #[test]
        fn a_damaged_text_is_survived(at in 0..TEXT.len(), byte: u8) {
            let mut text = TEXT.to_vec();
            text[at] = byte;
            let _ = parse(&text);
        }
    }
}
