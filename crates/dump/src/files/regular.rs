//! Whatever is opened by a path and needs nothing more: regular files, directories, memory
//! devices, `O_PATH` descriptors of anything.

use commensal_images::messages::{FdTypes, RegFileEntry};
use rustix::fs::{FileType, OFlags, major, minor};

use super::kind::Kind;
use super::{FilesDump, OpenFile, build_id, mounts, remap};
use crate::{External, Result};

/// Files that are restored by opening their path.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Reg,
    dump,
};

/// `/dev/kmsg` (Documentation/admin-guide/devices.txt).
const KMSG: (u32, u32) = (1, 11);

/// Memory devices without an offset: null, zero, full, random, urandom.
const WITHOUT_OFFSET: [u32; 5] = [3, 5, 7, 8, 9];

// include/uapi/linux/magic.h: file systems whose files are functions of the kernel; their offset
// is read from fdinfo, because their lseek(2) may do more than tell it.
const PSEUDO: [u64; 8] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6165_676c, // pstore
];

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let pos = offset(file)?;
    dump.look_for_notify(file);
    write(file, id, pos, dump)
}

/// Writes a file that stands for its path alone, or whose offset is kept elsewhere.
///
/// # Errors
///
/// A refusal where the restore would not find it by any path.
pub fn dump_path(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    write(file, id, 0, dump)
}

fn write(file: &OpenFile, id: u32, pos: u64, dump: &mut FilesDump<'_>) -> Result<()> {
    let external = external_name(file, dump);
    let (name, ext) = match external {
        Some(name) => (name, Some(true)),
        None => (remap::name(file, id, dump)?, None),
    };
    let build_id = match ext {
        None => build_id(file, dump)?,
        Some(_) => Vec::new(),
    };
    let entry = RegFileEntry {
        id,
        flags: file.flags,
        pos,
        fown: file.owner.clone(),
        name,
        size: checked_size(file),
        build_id,
        ext,
        mode: Some(file.stat.mode),
        mnt_id: mounts::mount_for_image(file, dump),
        ..RegFileEntry::default()
    };
    dump.write(FdTypes::Reg, id, |to| to.reg = Some(entry))
}

/// The build id that the restore compares; empty where there is none to compare.
fn build_id(file: &OpenFile, dump: &mut FilesDump<'_>) -> Result<Vec<u32>> {
    if !dump.options.build_ids || !dump.writes() || !build_id::may_have(file) {
        return Ok(Vec::new());
    }
    if let Some(known) = dump.build_ids.get(&(file.stat.dev, file.stat.ino)) {
        return Ok(known.clone());
    }
    // Opening the file would break the lease.
    match dump.locks.lease_on(file)? {
        true => Ok(Vec::new()),
        false => Ok(build_id::of(file).unwrap_or_default()),
    }
}

/// The name of a file that the restore will be given (`--external file[MNT:INODE]`).
fn external_name(file: &OpenFile, dump: &FilesDump<'_>) -> Option<Vec<u8>> {
    let this = External::File {
        mnt_id: u32::try_from(file.stat.mnt_id).ok()?,
        inode: file.stat.ino,
    };
    dump.options
        .external
        .contains(&this)
        .then(|| this.id().into_bytes())
}

/// The size the restore compares, so that another file is not taken for this one; a log that
/// grows is not compared.
fn checked_size(file: &OpenFile) -> Option<u64> {
    let log =
        file.access_mode() == OFlags::WRONLY.bits() && file.flags & OFlags::APPEND.bits() != 0;
    (file.stat.file_type() == FileType::RegularFile && !log).then_some(file.stat.size)
}

/// The offset; `u64::MAX` is "not to be set".
fn offset(file: &OpenFile) -> Result<u64> {
    if file.is_path_only() {
        return Ok(0);
    }
    match file.stat.file_type() {
        FileType::CharacterDevice => {
            let device = (major(file.stat.rdev), minor(file.stat.rdev));
            if WITHOUT_OFFSET.contains(&device.1) {
                return Ok(0);
            }
            match file.fdinfo()?.number("pos")? {
                // The kernel lets a writer of kmsg set no offset, not even 0.
                0 if device == KMSG && !file.is_readable() => Ok(u64::MAX),
                pos => Ok(pos),
            }
        }
        FileType::RegularFile | FileType::Directory if !PSEUDO.contains(&file.fs_magic) => {
            file.offset()
        }
        _ => file.fdinfo()?.number("pos"),
    }
}
