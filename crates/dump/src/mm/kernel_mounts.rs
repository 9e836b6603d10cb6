//! The file systems that the kernel mounts for itself: files on them have no
//! path, and are dumped as memory.

use std::sync::{Mutex, OnceLock};

use commensal_sys::Errno;
use rustix::fs::{MemfdFlags, StatFs};

/// `HUGETLBFS_MAGIC` (linux/magic.h).
const HUGETLBFS_MAGIC: i64 = 0x9584_58f6;

/// `MFD_HUGETLB`'s shift of the page size's logarithm (memfd_create(2)).
const MFD_HUGE_SHIFT: u32 = 26;

/// Which mount of the kernel's own a file is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InternalMount {
    /// The tmpfs of memfd_create(2), shared anonymous memory and System V
    /// shared memory.
    Shmem,
    /// The hugetlbfs of the same things made of explicit huge pages.
    Hugetlb {
        /// The size of its pages, in bytes.
        page_size: u64,
    },
}

/// Which mount of the kernel's own has this `st_dev`; `None` for a file system
/// that somebody mounted.
///
/// # Errors
///
/// The errno of memfd_create(2), with which the kernel is asked.
pub fn internal_mount(st_dev: u64, fs: &StatFs) -> Result<Option<InternalMount>, Errno> {
    static SHMEM: OnceLock<u64> = OnceLock::new();
    let shmem = match SHMEM.get() {
        Some(dev) => *dev,
        None => *SHMEM.get_or_init({
            let dev = device_of_memfd(MemfdFlags::empty())?;
            move || dev
        }),
    };
    if st_dev == shmem {
        return Ok(Some(InternalMount::Shmem));
    }
    if fs.f_type != HUGETLBFS_MAGIC {
        return Ok(None);
    }
    let page_size = fs.f_bsize as u64;
    let hugetlb = hugetlb_device(page_size)?;
    Ok((hugetlb == Some(st_dev)).then_some(InternalMount::Hugetlb { page_size }))
}

/// The device of the kernel's hugetlbfs with pages of this size.
fn hugetlb_device(page_size: u64) -> Result<Option<u64>, Errno> {
    static KNOWN: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());
    let mut known = KNOWN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((_, dev)) = known.iter().find(|(size, _)| *size == page_size) {
        return Ok(Some(*dev));
    }
    if !page_size.is_power_of_two() {
        return Ok(None);
    }
    let size = MemfdFlags::from_bits_retain(page_size.trailing_zeros() << MFD_HUGE_SHIFT);
    // Making the file reserves no huge page.
    let dev = device_of_memfd(MemfdFlags::HUGETLB | size)?;
    known.push((page_size, dev));
    Ok(Some(dev))
}

fn device_of_memfd(flags: MemfdFlags) -> Result<u64, Errno> {
    let file = rustix::fs::memfd_create("", flags | MemfdFlags::CLOEXEC)?;
    Ok(rustix::fs::fstat(&file)?.st_dev)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount_of(file: &impl std::os::fd::AsFd) -> Option<InternalMount> {
        let dev = rustix::fs::fstat(file).expect("fstat").st_dev;
        let fs = rustix::fs::fstatfs(file).expect("fstatfs");
        internal_mount(dev, &fs).expect("memfd_create")
    }

    #[test]
    fn a_memfd_is_internal_and_a_named_file_is_not() {
        let memfd = rustix::fs::memfd_create("x", MemfdFlags::CLOEXEC).expect("memfd");
        assert_eq!(mount_of(&memfd), Some(InternalMount::Shmem));
        let exe = std::fs::File::open("/proc/self/exe").expect("exe");
        assert_eq!(mount_of(&exe), None);
    }

    #[test]
    fn a_huge_memfd_tells_its_page_size() {
        let two_mib = MemfdFlags::HUGETLB | MemfdFlags::from_bits_retain(21 << MFD_HUGE_SHIFT);
        match rustix::fs::memfd_create("x", two_mib | MemfdFlags::CLOEXEC) {
            Ok(memfd) => {
                let expected = InternalMount::Hugetlb { page_size: 2 << 20 };
                assert_eq!(mount_of(&memfd), Some(expected));
            }
            // A kernel without huge pages of 2 MiB.
            Err(errno) => assert_eq!(errno, Errno::NODEV),
        }
    }
}
