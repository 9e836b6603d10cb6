//! What the kernel says of a single page.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Pagemap;
use crate::{Errno, Error, PAGE_SIZE, RemoteAddr, Result};

/// An entry of `/proc/PID/pagemap` (Documentation/admin-guide/mm/pagemap.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(transparent)]
pub struct Page(u64);

impl Page {
    const EXCLUSIVE: u64 = 1 << 56;
    const FILE: u64 = 1 << 61;
    const PRESENT: u64 = 1 << 63;

    /// Whether it is a page of private memory that is still shared with another process, since a
    /// fork(2): who writes to it first gets a copy.
    pub const fn is_shared_since_fork(self) -> bool {
        self.0 & (Self::PRESENT | Self::FILE | Self::EXCLUSIVE) == Self::PRESENT
    }
}

impl Pagemap {
    /// What the kernel says of each page from the one at `start` on, of as many as `pages` has.
    ///
    /// # Errors
    ///
    /// ESRCH when the address space is gone; EIO where it ends before the pages do.
    pub fn pages(&self, start: RemoteAddr, pages: &mut [Page]) -> Result<()> {
        let offset = start.get() / PAGE_SIZE * size_of::<Page>() as u64;
        let bytes = pages.as_mut_bytes();
        let len = bytes.len();
        match rustix::io::pread(&self.fd, bytes, offset) {
            Ok(read) if read == len => Ok(()),
            Ok(_) => Err(Error::new("read pagemap", self.pid.get(), Errno::IO)),
            Err(errno) => Err(Error::new("read pagemap", self.pid.get(), errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pid;

    #[test]
    fn a_page_of_ones_own_is_shared_with_nobody() {
        let own = Pid::new(std::process::id() as i32).unwrap();
        let value = Box::new(7u64);
        let start = RemoteAddr::new(&raw const *value as u64 / PAGE_SIZE * PAGE_SIZE);
        let mut pages = [Page::default()];
        Pagemap::open(own)
            .unwrap()
            .pages(start, &mut pages)
            .unwrap();
        assert_ne!(pages[0], Page::default());
        assert!(!pages[0].is_shared_since_fork());
    }

    #[test]
    fn only_present_private_pages_are_shared_since_a_fork() {
        let shared = |bits| Page(bits).is_shared_since_fork();
        assert!(shared(1 << 63));
        assert!(!shared(1 << 63 | 1 << 56), "exclusive");
        assert!(!shared(1 << 63 | 1 << 61), "of a file");
        assert!(!shared(1 << 62), "swapped out");
    }
}
