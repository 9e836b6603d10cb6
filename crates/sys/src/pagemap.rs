//! What is behind each page of a task: the `PAGEMAP_SCAN` ioctl
//! (Documentation/admin-guide/mm/pagemap.rst, Linux 6.7).
//!
//! A scan walks page tables and touches no page: nothing is faulted in, no
//! swapped page is read, and a range without page tables costs nothing.

use std::os::fd::{AsRawFd, OwnedFd};

use linux_raw_sys::general::{__NR_ioctl, PM_SCAN_CHECK_WPASYNC, PM_SCAN_WP_MATCHING, pm_scan_arg};
use rustix::fs::{Mode, OFlags};

mod categories;
mod page;

pub use categories::Categories;
pub use page::Page;

use crate::{Error, PAGE_SIZE, Pid, RemoteAddr, RemoteRange, Result, raw};

/// `_IOWR('f', 16, struct pm_scan_arg)` (include/uapi/linux/fs.h).
const PAGEMAP_SCAN: u64 = 0xc060_6610;

/// Neighbouring pages that share their reported categories: `struct page_region`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Region {
    start: u64,
    end: u64,
    categories: Categories,
}

impl Region {
    /// The pages' addresses.
    pub fn range(&self) -> RemoteRange {
        RemoteRange::new(self.start, self.end).expect("scan() checked the order")
    }

    /// Those of [`Query::report`] that hold for all of the pages.
    pub const fn categories(&self) -> Categories {
        self.categories
    }
}

/// Which pages a scan is to find.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query {
    /// A page must have all of these.
    pub all_of: Categories,
    /// A page must have none of these.
    pub none_of: Categories,
    /// A page must have one of these, unless the set is empty.
    pub any_of: Categories,
    /// What to say of each page found; neighbours that differ are split.
    pub report: Categories,
    /// Write-protect the pages found (they must be in memory that has an
    /// asynchronous userfaultfd), so that a later scan finds those written
    /// since: `PM_SCAN_WP_MATCHING`.
    pub write_protect: bool,
    /// Fail with EPERM where a page has no asynchronous write protection:
    /// `PM_SCAN_CHECK_WPASYNC`.
    pub check_wp_async: bool,
}

/// What one scan call found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// How many elements of the caller's array were filled.
    pub regions: usize,
    /// Where the walk stopped: the end of the range, or where the array was
    /// full; the next call starts here.
    pub walk_end: RemoteAddr,
}

/// The open pagemap of one address space.
///
/// It keeps seeing the memory that the task had when it was opened: after an
/// exec it finds nothing.
#[derive(Debug)]
pub struct Pagemap {
    pid: Pid,
    fd: OwnedFd,
}

impl Pagemap {
    /// Opens `/proc/PID/pagemap`.
    ///
    /// # Errors
    ///
    /// ENOENT or ESRCH when the task is gone, EACCES without the right to
    /// ptrace it.
    pub fn open(pid: Pid) -> Result<Self> {
        let path = format!("/proc/{pid}/pagemap");
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map(|fd| Self { pid, fd })
            .map_err(|errno| Error::new("open pagemap", pid.get(), errno))
    }

    /// Finds the pages of `range` that match `query`, in ascending order, and
    /// fills `regions` from the start.
    ///
    /// # Errors
    ///
    /// ENOTTY before Linux 6.7; EINVAL for a category this kernel does not
    /// know; EPERM where [`Query::check_wp_async`] does not hold; ESRCH when
    /// the address space is gone; EIO if the kernel's answer is out of order.
    pub fn scan(&self, range: RemoteRange, query: &Query, regions: &mut [Region]) -> Result<Scan> {
        let mut arg = pm_scan_arg {
            size: size_of::<pm_scan_arg>() as u64,
            flags: query.flags(),
            start: range.start().get(),
            end: range.end().get(),
            walk_end: 0,
            vec: regions.as_mut_ptr() as u64,
            vec_len: regions.len() as u64,
            max_pages: 0,
            category_inverted: query.none_of.0,
            category_mask: (query.all_of | query.none_of).0,
            category_anyof_mask: query.any_of.0,
            return_mask: query.report.0,
        };
        let fd = self.fd.as_raw_fd() as u64;
        let args = [fd, PAGEMAP_SCAN, &raw mut arg as u64, 0, 0, 0];
        // SAFETY: ioctl_pagemap_scan reads and writes `arg`, and writes at most
        // `vec_len` elements behind `vec`: `regions`, exclusively borrowed, of
        // the layout of `page_region`, of which any bits are a valid one.
        let found = unsafe { raw::syscall(__NR_ioctl, args) }.map_err(|e| self.error(e))?;
        let Some(filled) = regions.get(..found as usize) else {
            return Err(self.error(crate::Errno::IO));
        };
        let scan = Scan {
            regions: filled.len(),
            walk_end: walk_end(range, filled, regions.len(), arg.walk_end),
        };
        let sane = in_order(range, filled, scan);
        sane.then_some(scan)
            .ok_or_else(|| self.error(crate::Errno::IO))
    }

    /// The task it was opened for.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    fn error(&self, errno: crate::Errno) -> Error {
        Error::new("PAGEMAP_SCAN", self.pid.get(), errno)
    }
}

impl Query {
    fn flags(&self) -> u64 {
        let mut flags = 0;
        if self.write_protect {
            flags |= PM_SCAN_WP_MATCHING;
        }
        if self.check_wp_async {
            flags |= PM_SCAN_CHECK_WPASYNC;
        }
        u64::from(flags)
    }
}

/// Where the walk stopped. The kernel's word counts only where the array is
/// full: it walks in steps of 512 regions, and after the last step still says
/// where the one before had stopped (`do_pagemap_scan`, fs/proc/task_mmu.c).
fn walk_end(range: RemoteRange, filled: &[Region], room: usize, said: u64) -> RemoteAddr {
    match filled.last() {
        Some(last) if filled.len() == room => RemoteAddr::new(said.max(last.end)),
        _ => range.end(),
    }
}

/// Whether the answer lies in the range, ascends, is made of whole pages and
/// does not stop before its last region.
fn in_order(range: RemoteRange, regions: &[Region], scan: Scan) -> bool {
    let mut at = range.start().get();
    for region in regions {
        if region.start < at
            || region.end <= region.start
            || !region.start.is_multiple_of(PAGE_SIZE)
        {
            return false;
        }
        at = region.end;
    }
    at <= scan.walk_end.get() && scan.walk_end <= range.end() && at.is_multiple_of(PAGE_SIZE)
}

#[cfg(test)]
mod tests;
