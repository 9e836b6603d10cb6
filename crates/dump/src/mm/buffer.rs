//! Memory that pages are copied through.

use std::ops::{Deref, DerefMut};

use commensal_sys::PAGE_SIZE;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A page that begins where pages do.
#[repr(C, align(4096))]
#[derive(Clone, FromBytes, Immutable, IntoBytes)]
struct Page([u8; PAGE_SIZE as usize]);

/// Bytes that begin on the boundary of a page, as what is copied into them does: the kernel copies from
/// page to page in half the time that it takes to a place some bytes off.
pub(super) struct Buffer(Vec<Page>);

impl Buffer {
    /// Zeros; `len` is in bytes, and rounded up to whole pages.
    pub fn new(len: usize) -> Self {
        let pages = len.div_ceil(size_of::<Page>());
        Self(std::iter::repeat_n(Page([0; PAGE_SIZE as usize]), pages).collect())
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_mut_bytes()
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_on_a_page_and_is_zero() {
        for len in [0, 1, 4096, 4097, 256 << 10] {
            let buffer = Buffer::new(len);
            assert_eq!(buffer.as_ptr() as usize % 4096, 0);
            assert!(buffer.len() >= len && buffer.len() < len + 4096);
            assert!(buffer.iter().all(|byte| *byte == 0));
        }
    }
}
