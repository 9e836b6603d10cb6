//! What a page can be: the `PAGE_IS_*` of linux/fs.h.

use core::ops::{BitOr, BitOrAssign};

use linux_raw_sys::general::{
    PAGE_IS_FILE, PAGE_IS_GUARD, PAGE_IS_HUGE, PAGE_IS_PFNZERO, PAGE_IS_PRESENT,
    PAGE_IS_SOFT_DIRTY, PAGE_IS_SWAPPED, PAGE_IS_WPALLOWED, PAGE_IS_WRITTEN,
};

/// A set of `PAGE_IS_*` categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Categories(pub(super) u64);

impl Categories {
    /// No category.
    pub const NONE: Self = Self(0);
    /// Under asynchronous write protection of a userfaultfd.
    pub const WP_ALLOWED: Self = Self(PAGE_IS_WPALLOWED as u64);
    /// Written since it was last write-protected.
    pub const WRITTEN: Self = Self(PAGE_IS_WRITTEN as u64);
    /// A page of a file or of shared memory, not a private copy.
    pub const FILE: Self = Self(PAGE_IS_FILE as u64);
    /// In memory.
    pub const PRESENT: Self = Self(PAGE_IS_PRESENT as u64);
    /// Swapped out, being migrated, or a marker without a page.
    pub const SWAPPED: Self = Self(PAGE_IS_SWAPPED as u64);
    /// The shared page of zeros.
    pub const ZERO: Self = Self(PAGE_IS_PFNZERO as u64);
    /// Mapped by one entry of a higher page table (a huge page).
    pub const HUGE: Self = Self(PAGE_IS_HUGE as u64);
    /// Written since `/proc/PID/clear_refs` was.
    pub const SOFT_DIRTY: Self = Self(PAGE_IS_SOFT_DIRTY as u64);
    /// A guard page of `MADV_GUARD_INSTALL` (madvise(2), Linux 6.13;
    /// reported since 6.15).
    pub const GUARD: Self = Self(PAGE_IS_GUARD as u64);

    /// Whether all of `other` are in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether one of `other` is in this set.
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The categories of this set that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Categories {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Categories {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
