//! The file that the kernel shows its type information in.

use core::ops::Deref;
use core::ptr::NonNull;
use core::slice;
use std::fs::File;
use std::io::{self, Read};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

const PATH: &str = "/sys/kernel/btf/vmlinux";

/// The kernel's type information: mapped, since Linux 6.16, or read, which takes milliseconds.
#[derive(Debug)]
pub enum KernelFile {
    Mapped(Mapped),
    Read(Vec<u8>),
}

impl KernelFile {
    /// What is there.
    pub fn open() -> io::Result<Self> {
        let mut file = File::open(PATH)?;
        if let Some(mapped) = Mapped::map(&file) {
            return Ok(Self::Mapped(mapped));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Self::Read(bytes))
    }
}

impl Deref for KernelFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(mapped) => mapped,
            Self::Read(bytes) => bytes,
        }
    }
}

/// All bytes of the file.
#[derive(Debug)]
pub struct Mapped {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to no thread, and nobody writes there.
unsafe impl Send for Mapped {}

impl Mapped {
    fn map(file: &File) -> Option<Self> {
        let len = usize::try_from(file.metadata().ok()?.len()).ok()?;
        let none = core::ptr::null_mut();
        // SAFETY: mmap(2) with a null hint and without MAP_FIXED picks a free range, so no memory in
        // use is replaced.
        let base = unsafe { mmap(none, len, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }.ok()?;
        let base = NonNull::new(base.cast())?;
        Some(Self { base, len })
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range is the mapping that `map` made, readable and there as long as `self`; its pages are
        // read-only data of the kernel (btf_sysfs_vmlinux_mmap, kernel/bpf/sysfs_btf.c), all of them there, and
        // nobody can write to them, as the kernel refuses a mapping that is writable.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that `map` made, unmapped only here; what borrows it
        // borrows `self`.
        let done = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(done.is_ok(), "munmap(2) of a whole mapping cannot fail");
    }
}
