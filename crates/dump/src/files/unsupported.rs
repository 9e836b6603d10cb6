//! What has no kind here, by name, with the reason and what can be done.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{FileType, major, minor};

use super::OpenFile;
use super::remap::quoted;
use crate::{Error, Place, Refusal};

/// File systems without names, and what a file on them is (include/uapi/linux/magic.h).
const NAMELESS: &[(u64, &str)] = &[
    (0x5345_434d, "a memfd_secret(2) area"),
    (0x444d_4142, "a dma-buf"),
    (0x4755_4553, "memory of a virtual machine (guest_memfd)"),
];

/// What the links of the anonymous inode stand for.
const ANONYMOUS: &[(&str, &str, &str)] = &[
    (
        "[io_uring]",
        "an io_uring",
        "its rings and requests in flight are only known to the kernel",
    ),
    (
        "[userfaultfd]",
        "a userfaultfd",
        "faults wait in it for this task alone to resolve",
    ),
    (
        "[perf_event]",
        "a perf event",
        "its counters are only known to the kernel",
    ),
    (
        "bpf-prog",
        "a BPF program",
        "the kernel does not give a loaded program back",
    ),
    (
        "bpf_link",
        "a BPF link",
        "what it attaches cannot be attached again at the same place",
    ),
    (
        "btf",
        "BPF type information",
        "it belongs to loaded BPF objects",
    ),
    (
        "bpf_iter",
        "a BPF iterator",
        "it belongs to a loaded BPF program",
    ),
    (
        "[io_uring_zcrx]",
        "an io_uring receive area",
        "it belongs to an io_uring",
    ),
    (
        "[seccomp notify]",
        "a seccomp listener",
        "system calls of other tasks wait in it",
    ),
    (
        "seccomp notify",
        "a seccomp listener",
        "system calls of other tasks wait in it",
    ),
    (
        "[landlock-ruleset]",
        "a landlock ruleset",
        "the kernel does not tell its rules",
    ),
    (
        "kvm-vm",
        "a virtual machine",
        "its state needs the help of its own program",
    ),
    (
        "kvm-vcpu",
        "a virtual processor",
        "its state needs the help of its own program",
    ),
    (
        "[fscontext]",
        "a mount that is being set up",
        "the kernel does not tell how far it got",
    ),
    (
        "sync_file",
        "a fence of a device",
        "it belongs to work in flight on the device",
    ),
    ("drm", "a graphics device", "its state is on the device"),
];

const CLOSE_IT: &str = "close it before the dump";

/// A file on the anonymous inode that is of no kind we dump.
pub fn anonymous(file: &OpenFile, name: &[u8]) -> Error {
    let text = String::from_utf8_lossy(name);
    // A virtual processor is called kvm-vcpu:3.
    let stem = text.split(':').next().unwrap_or_default();
    match ANONYMOUS.iter().find(|(known, _, _)| *known == stem) {
        Some((_, what, reason)) => file.refuse(*what, *reason, CLOSE_IT),
        None => file.refuse(
            format!("an anonymous file of the kernel, {}", quoted(name)),
            "its kind is not known, so neither is what it holds",
            CLOSE_IT,
        ),
    }
}

/// A file that no path leads to.
pub fn nameless(file: &OpenFile) -> Error {
    if let Some((_, what)) = NAMELESS.iter().find(|(magic, _)| *magic == file.fs_magic) {
        return file.refuse(*what, "only its owner can read or make it", CLOSE_IT);
    }
    let link = file.link().unwrap_or_default();
    if file.stat.file_type() == FileType::BlockDevice {
        return file.refuse(
            format!("the block device {}", quoted(&link)),
            "the restore opens none: what is on it may have changed",
            "open it with O_PATH, or close it before the dump",
        );
    }
    file.refuse(
        format!("a file without a path, {}", quoted(&link)),
        "the restore would not find it",
        CLOSE_IT,
    )
}

/// A file that even stat(2) does not know any more, as some entries of /proc of a dead task.
pub fn vanished(place: &Place, fd: &OwnedFd) -> Error {
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let name = rustix::fs::readlink(link, Vec::new()).unwrap_or_default();
    Error::from(Refusal {
        what: format!("the vanished file {}", quoted(name.as_bytes())),
        place: place.clone(),
        reason: "what it belonged to is gone, and the restore would not find it".into(),
        remedy: CLOSE_IT.into(),
    })
}

/// A device whose state is in its driver.
pub fn device(file: &OpenFile) -> Error {
    let link = file.link().unwrap_or_default();
    let (major, minor) = (major(file.stat.rdev), minor(file.stat.rdev));
    file.refuse(
        format!("the character device {major}:{minor}, {}", quoted(&link)),
        "what its driver keeps for the task cannot be saved",
        CLOSE_IT,
    )
}
