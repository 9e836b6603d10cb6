//! What a descriptor is: the one place that decides it.

use commensal_images::messages::FdTypes;
use commensal_sys::Errno;
use rustix::fs::{FileType, major, minor};

use super::{FilesDump, OpenFile};
use crate::Result;

/// A kind of open file, and how it gets into the images.
#[derive(Debug)]
pub struct Kind {
    /// Its type in the images.
    pub fd_type: FdTypes,
    /// Writes the entry of a description that has not been written yet, under the given id.
    pub dump: fn(&OpenFile, u32, &mut FilesDump<'_>) -> Result<()>,
}

// include/uapi/linux/magic.h
const ANON_INODE_FS: u64 = 0x0904_1934;
const PIDFS: u64 = 0x5049_4446;
const PIPEFS: u64 = 0x5049_5045;
const NSFS: u64 = 0x6e73_6673;

// include/uapi/linux/major.h
const MEM_MAJOR: u32 = 1;
const MISC_MAJOR: u32 = 10;
// include/linux/miscdevice.h
const TUN_MINOR: u32 = 200;
const AUTOFS_MINOR: u32 = 235;

/// The kinds that live on the anonymous inode, by the name that the link in `/proc/PID/fd` gives
/// them behind `anon_inode:`.
const ANONYMOUS: &[(&str, &Kind)] = &[
    ("[eventfd]", &super::eventfd::KIND),
    ("[eventpoll]", &super::epoll::KIND),
    ("[signalfd]", &super::signalfd::KIND),
    ("[timerfd]", &super::timerfd::KIND),
    ("inotify", &super::inotify::KIND),
    ("[fanotify]", &super::fanotify::KIND),
    ("[pidfd]", &super::pidfd::KIND),
    ("bpf-map", &super::bpf_map::KIND),
];

/// The kind of a description.
///
/// # Errors
///
/// A refusal by name where it is of a kind that cannot be dumped.
pub fn classify(file: &OpenFile, dump: &FilesDump<'_>) -> Result<&'static Kind> {
    if file.fs_magic == NSFS {
        return Ok(&super::namespace::KIND);
    }
    // An O_PATH descriptor stands for a name, whatever the name is of.
    if file.is_path_only() {
        return Ok(&super::regular::KIND);
    }
    match (file.stat.file_type(), file.fs_magic) {
        (_, ANON_INODE_FS) => anonymous(file),
        (_, PIDFS) => Ok(&super::pidfd::KIND),
        (FileType::Socket, _) => crate::net::classify(file),
        (FileType::CharacterDevice, _) => character_device(file, dump),
        (FileType::RegularFile | FileType::Directory | FileType::Symlink, _) => {
            if dump.memory_devices.contains(file.stat.dev) {
                Ok(&super::memfd::KIND)
            } else {
                Ok(&super::regular::KIND)
            }
        }
        (FileType::Fifo, PIPEFS) => Ok(&super::pipe::KIND),
        (FileType::Fifo, _) => Ok(&super::fifo::KIND),
        _ => Err(super::unsupported::nameless(file)),
    }
}

fn anonymous(file: &OpenFile) -> Result<&'static Kind> {
    let link = file.link()?;
    let name = link.strip_prefix(b"anon_inode:").unwrap_or(&link);
    let known = ANONYMOUS.iter().find(|(known, _)| known.as_bytes() == name);
    match known {
        Some((_, kind)) => Ok(kind),
        None => Err(super::unsupported::anonymous(file, name)),
    }
}

fn character_device(file: &OpenFile, dump: &FilesDump<'_>) -> Result<&'static Kind> {
    let rdev = file.stat.rdev;
    match (major(rdev), minor(rdev)) {
        (MEM_MAJOR, _) | (MISC_MAJOR, AUTOFS_MINOR) => Ok(&super::regular::KIND),
        (MISC_MAJOR, TUN_MINOR) => Ok(&super::tun::KIND),
        _ if super::tty::is_terminal(&file.stat, dump.options) => Ok(&super::tty::KIND),
        _ => Err(super::unsupported::device(file)),
    }
}

/// The devices of the kernel's own memory file systems, where memfd_create(2) makes its files.
#[derive(Clone, Debug, Default)]
pub struct MemoryDevices {
    devices: Vec<MemoryDevice>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
struct MemoryDevice {
    dev: u64,
    hugetlb: Option<u32>,
}

/// `MFD_HUGETLB` with the sizes of x86-64, encoded as log2 in the upper bits.
const HUGETLB_FLAGS: [u32; 2] = [0x4 | 21 << 26, 0x4 | 30 << 26];

impl MemoryDevices {
    /// Finds them by making a file on each.
    ///
    /// # Errors
    ///
    /// When memfd_create(2) fails for ordinary pages; a kernel without huge pages is no error.
    pub fn find() -> Result<Self, Errno> {
        let mut devices = vec![MemoryDevice {
            dev: device(0)?,
            hugetlb: None,
        }];
        for flags in HUGETLB_FLAGS {
            if let Ok(dev) = device(flags) {
                devices.push(MemoryDevice {
                    dev,
                    hugetlb: Some(flags),
                });
            }
        }
        Ok(Self { devices })
    }

    /// Whether files of this device are memory files.
    pub fn contains(&self, dev: u64) -> bool {
        self.devices.iter().any(|device| device.dev == dev)
    }

    /// The flags of memfd_create(2) that ask for the huge pages of this device.
    pub fn hugetlb_flags(&self, dev: u64) -> Option<u32> {
        self.devices
            .iter()
            .find(|device| device.dev == dev)?
            .hugetlb
    }
}

/// The device on which memfd_create(2) with these flags makes its files.
fn device(flags: u32) -> Result<u64, Errno> {
    use std::os::fd::AsFd;
    let flags = rustix::fs::MemfdFlags::from_bits_retain(flags) | rustix::fs::MemfdFlags::CLOEXEC;
    let fd = rustix::fs::memfd_create(c"", flags)?;
    Ok(super::Stat::of(fd.as_fd())?.dev)
}
