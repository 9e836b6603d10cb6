//! Addresses in another process: numbers here, never pointers.

use core::fmt;
use core::ops::Range;

/// The size of a page on x86-64, in bytes.
pub const PAGE_SIZE: u64 = 4096;

/// An address in the target's address space.
///
/// It has no way to become a pointer of ours; only the calls of this crate
/// that read or write another process take it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RemoteAddr(u64);

impl RemoteAddr {
    /// The address with this number.
    pub const fn new(addr: u64) -> Self {
        Self(addr)
    }

    /// The number of the address.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The address `bytes` further up, or `None` past the end of the space.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

impl fmt::Display for RemoteAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for RemoteAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteAddr({:#x})", self.0)
    }
}

/// A range of the target's address space; the end is exclusive and never
/// before the start.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RemoteRange {
    start: u64,
    end: u64,
}

impl RemoteRange {
    /// The range, or `None` where `end` is before `start`.
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start <= end {
            Some(Self { start, end })
        } else {
            None
        }
    }

    /// The first address.
    pub const fn start(self) -> RemoteAddr {
        RemoteAddr(self.start)
    }

    /// The first address behind the range.
    pub const fn end(self) -> RemoteAddr {
        RemoteAddr(self.end)
    }

    /// The length in bytes.
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `addr` lies in the range.
    pub const fn contains(self, addr: RemoteAddr) -> bool {
        self.start <= addr.0 && addr.0 < self.end
    }

    /// Whether the two ranges share an address.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The addresses as plain numbers.
    pub const fn as_u64(self) -> Range<u64> {
        self.start..self.end
    }
}

impl fmt::Debug for RemoteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x}", self.start, self.end)
    }
}
