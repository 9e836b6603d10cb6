//! Mappings of every kind, made with the system calls themselves and looked at through
//! `/proc/self`: their contents need no right to be read, and a fault is an error.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::ptr;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Flags of smaps that a program chose itself.
const CHOSEN: [&str; 13] = [
    "gd", "lo", "nr", "ht", "dp", "sr", "rr", "dc", "dd", "mg", "hg", "nh", "wf",
];

/// Some pages of this process.
#[derive(Debug, Clone)]
pub struct Region {
    /// What it is, for a message.
    pub name: &'static str,
    start: usize,
    pages: usize,
}

impl Region {
    /// mmap(2) with a shared or private file, or without one.
    pub fn map(
        name: &'static str,
        pages: usize,
        flags: i32,
        file: Option<(BorrowedFd<'_>, usize)>,
    ) -> io::Result<Self> {
        let readable = libc::PROT_READ;
        let writable = file.is_none_or(|(fd, _)| can_write(fd) || flags & libc::MAP_PRIVATE != 0);
        let prot = if writable {
            readable | libc::PROT_WRITE
        } else {
            readable
        };
        let (fd, offset, flags) = match file {
            Some((fd, page)) => (fd.as_raw_fd(), page * PAGE, flags),
            None => (-1, 0, flags | libc::MAP_ANONYMOUS),
        };
        // SAFETY: a null address asks for a new mapping, which overlaps nothing.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                pages * PAGE,
                prot,
                flags,
                fd,
                offset as libc::off_t,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        separate();
        Ok(Self {
            name,
            start: start as usize,
            pages,
        })
    }

    /// The pages of this region.
    pub fn pages(&self) -> Range<usize> {
        0..self.pages
    }

    /// mprotect(2) of all of it.
    pub fn protect(&self, prot: i32) {
        // SAFETY: nothing but this module's system calls ever touches the region.
        let done = unsafe { libc::mprotect(self.at(0) as *mut _, self.pages * PAGE, prot) };
        assert_eq!(done, 0, "{}: {}", self.name, io::Error::last_os_error());
    }

    /// madvise(2) of some pages.
    pub fn advise(&self, pages: Range<usize>, advice: i32) -> io::Result<()> {
        // SAFETY: as in `protect`.
        let done =
            unsafe { libc::madvise(self.at(pages.start) as *mut _, pages.len() * PAGE, advice) };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// mlock(2) of all of it.
    pub fn lock(&self) {
        // SAFETY: mlock(2) changes no contents.
        let done = unsafe { libc::mlock(self.at(0) as *const _, self.pages * PAGE) };
        assert_eq!(done, 0, "{}: {}", self.name, io::Error::last_os_error());
    }

    /// munmap(2) of some pages.
    pub fn unmap(&self, pages: Range<usize>) {
        // SAFETY: as in `protect`.
        let done = unsafe { libc::munmap(self.at(pages.start) as *mut _, pages.len() * PAGE) };
        assert_eq!(done, 0, "{}: {}", self.name, io::Error::last_os_error());
    }

    /// Write the first word of a page.
    pub fn write(&self, page: usize, word: u64) {
        let memory = File::options()
            .write(true)
            .open("/proc/self/mem")
            .expect("own memory");
        memory
            .write_all_at(&word.to_ne_bytes(), self.at(page) as u64)
            .unwrap_or_else(|error| panic!("{} page {page}: {error}", self.name));
    }

    /// Read the first word of a page; `None` where a read faults.
    pub fn read(&self, page: usize) -> Option<u64> {
        let memory = File::open("/proc/self/mem").expect("own memory");
        let mut word = [0; 8];
        memory.read_exact_at(&mut word, self.at(page) as u64).ok()?;
        Some(u64::from_ne_bytes(word))
    }

    /// Permissions and chosen flags of the mapping that a page is in.
    pub fn flags(&self, smaps: &str, page: usize) -> String {
        let addr = self.at(page);
        let mut permissions = None;
        for line in smaps.lines() {
            if let Some((range, rest)) = range_of(line) {
                permissions = range.contains(&addr).then(|| &rest[..4]);
            } else if let (Some(codes), Some(found)) = (line.strip_prefix("VmFlags:"), permissions)
            {
                let chosen = codes
                    .split_whitespace()
                    .filter(|code| CHOSEN.contains(code));
                return chosen.fold(found.to_owned(), |all, code| all + " " + code);
            }
        }
        "unmapped".into()
    }

    fn at(&self, page: usize) -> usize {
        self.start + page * PAGE
    }
}

/// The addresses that a line of smaps begins with, and what follows them.
fn range_of(line: &str) -> Option<(Range<usize>, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let hex = |text| usize::from_str_radix(text, 16).ok();
    Some((hex(start)?..hex(end)?, rest))
}

fn can_write(fd: BorrowedFd<'_>) -> bool {
    let flags = rustix::fs::fcntl_getfl(fd).expect("an open file");
    flags & rustix::fs::OFlags::ACCMODE == rustix::fs::OFlags::RDWR
}

/// A page without rights, so that the kernel does not join the regions around it.
fn separate() {
    super::raw::guard_page();
}

/// io_setup(2): a context for so many requests at a time.
pub fn aio_context(requests: u32) -> u64 {
    let mut context = 0u64;
    // SAFETY: io_setup(2) writes one word to the address.
    let done = unsafe { libc::syscall(libc::SYS_io_setup, requests, &raw mut context) };
    assert_eq!(done, 0, "io_setup: {}", io::Error::last_os_error());
    context
}

/// Whether the context is one: io_getevents(2) of none.
pub fn aio_context_works(context: u64) -> bool {
    let nothing = ptr::null_mut::<libc::c_void>();
    // SAFETY: with no event asked for, io_getevents(2) writes nothing.
    let events = unsafe { libc::syscall(libc::SYS_io_getevents, context, 0, 0, nothing, nothing) };
    events == 0
}

/// memfd_secret(2) of one page, where the kernel has it.
pub fn secret_memory() -> Option<File> {
    use std::os::fd::FromRawFd;
    // SAFETY: memfd_secret(2) takes no address.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, 0) };
    // SAFETY: the descriptor is new and nobody else's.
    (fd >= 0).then(|| unsafe { File::from_raw_fd(fd as i32) })
}

/// Attaches a new System V segment of one page, which goes with the last task that has it.
pub fn attach_system_v() {
    // SAFETY: shmget(2) takes no address.
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, PAGE, libc::IPC_CREAT | 0o600) };
    assert!(id >= 0, "shmget: {}", io::Error::last_os_error());
    // SAFETY: a null address asks for a place where nothing is.
    let start = unsafe { libc::shmat(id, ptr::null(), 0) };
    assert_ne!(start as isize, -1, "shmat: {}", io::Error::last_os_error());
    // SAFETY: IPC_RMID takes no address.
    let done = unsafe { libc::shmctl(id, libc::IPC_RMID, ptr::null_mut()) };
    assert_eq!(done, 0, "shmctl: {}", io::Error::last_os_error());
}

/// Unmaps a part of the vDSO: `vdso` or `vvar`. Whoever asks for the time crashes then.
pub fn unmap_part_of_vdso(part: &str) {
    assert!(["vdso", "vvar"].contains(&part), "a part of the vDSO");
    let name = format!("[{part}");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("our own mappings");
    let named = maps.lines().filter(|line| line.contains(&name));
    for line in named {
        let range = line.split(['-', ' ']).take(2);
        let mut range = range.map(|hex| usize::from_str_radix(hex, 16).expect("an address"));
        let (start, end) = (
            range.next().expect("a start"),
            range.next().expect("an end"),
        );
        // SAFETY: no Rust value lies there, and a call of code that is gone ends the process.
        let done = unsafe { libc::munmap(start as *mut libc::c_void, end - start) };
        assert_eq!(done, 0, "munmap: {}", io::Error::last_os_error());
    }
}

/// Whether huge pages are switched off for this process, and switching them off.
pub fn huge_pages_disabled(disable: bool) -> bool {
    if disable {
        // SAFETY: PR_SET_THP_DISABLE takes no address.
        let done = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
        assert_eq!(done, 0, "prctl: {}", io::Error::last_os_error());
    }
    // SAFETY: PR_GET_THP_DISABLE takes no address.
    unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1 }
}
