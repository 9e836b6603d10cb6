//! Which file systems a restore can mount again, and what of them is saved.

use commensal_images::messages::FsType;

use super::{Mount, MountChoices};

/// What a restore needs of a file system that it mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Nothing: the kernel fills it, or it has its files from elsewhere.
    OfTheKernel,
    /// All files in it.
    Files,
    /// Nothing, if there is nothing in it.
    Empty,
    /// Who mounts in it on demand.
    OnDemand,
}

/// The file systems that a restore mounts, by the name that mountinfo has.
const KNOWN: [(&[u8], FsType, Contents); 16] = [
    (b"proc", FsType::Proc, Contents::OfTheKernel),
    (b"sysfs", FsType::Sysfs, Contents::OfTheKernel),
    (b"devtmpfs", FsType::Devtmpfs, Contents::OfTheKernel),
    (b"devpts", FsType::Devpts, Contents::OfTheKernel),
    (b"tmpfs", FsType::Tmpfs, Contents::Files),
    (b"mqueue", FsType::Mqueue, Contents::Empty),
    (b"pstore", FsType::Pstore, Contents::Empty),
    (b"securityfs", FsType::Securityfs, Contents::OfTheKernel),
    (b"debugfs", FsType::Debugfs, Contents::OfTheKernel),
    (b"tracefs", FsType::Tracefs, Contents::OfTheKernel),
    (b"cgroup", FsType::Cgroup, Contents::OfTheKernel),
    (b"cgroup2", FsType::Cgroup2, Contents::OfTheKernel),
    // There is one for all; its entries stay in it.
    (b"binfmt_misc", FsType::BinfmtMisc, Contents::OfTheKernel),
    (b"fusectl", FsType::Fusectl, Contents::OfTheKernel),
    // Its files are in other file systems.
    (b"overlay", FsType::Overlayfs, Contents::OfTheKernel),
    (b"autofs", FsType::Autofs, Contents::OnDemand),
];

/// What the images call those that can be bound or given from outside only.
const OTHERS: [(&[u8], FsType); 2] = [(b"aufs", FsType::Aufs), (b"fuse", FsType::Fuse)];

/// What the images call the file system of a mount.
pub fn fs_type(mount: &Mount, choices: &MountChoices) -> FsType {
    let known = KNOWN.iter().map(|&(name, fs_type, _)| (name, fs_type));
    let mut all = known.chain(OTHERS);
    let other = match choices.allows(&mount.fs_type) {
        true => FsType::Auto,
        false => FsType::Unsupported,
    };
    all.find(|(name, _)| *name == mount.fs_type)
        .map_or(other, |(_, fs_type)| fs_type)
}

/// What a restore needs to mount the file system of a mount; `None` where it cannot.
pub fn contents(mount: &Mount, choices: &MountChoices) -> Option<Contents> {
    let mut known = KNOWN.iter();
    let known = known
        .find(|(name, ..)| *name == mount.fs_type)
        .map(|&(_, _, contents)| contents);
    let unknown = fs_type(mount, choices) == FsType::Auto;
    known.or_else(|| unknown.then_some(Contents::OfTheKernel))
}

/// Whether the kernel makes its mounts by itself, and a restore must not.
pub fn comes_by_itself(mount: &Mount) -> bool {
    mount.fs_type == b"tracefs"
}
