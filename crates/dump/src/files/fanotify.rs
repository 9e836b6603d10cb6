//! fanotify(7): marks on inodes, mounts and file systems.

use commensal_images::messages::{
    FanotifyFileEntry, FanotifyInodeMarkEntry, FanotifyMarkEntry, FanotifyMountMarkEntry, FdTypes,
    FhEntry, MarkType,
};

use super::fdinfo::{FdInfo, hex_word};
use super::handle::{WORDS, Watched};
use super::inotify::warn_of_events;
use super::kind::Kind;
use super::{FilesDump, OpenFile};
use crate::Result;

/// fanotify groups.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Fanotify,
    dump,
};

/// `FAN_MARK_FILESYSTEM` (fanotify_mark(2)).
const FILESYSTEM: u32 = 0x100;

/// `FILEID_INVALID` (include/linux/exportfs.h): a handle that is none.
const NO_HANDLE: u32 = 0xff;

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let info = file.fdinfo()?;
    let (faflags, evflags) = info
        .lines()
        .find(|line| line.starts_with("fanotify flags:"))
        .and_then(flags)
        .ok_or_else(|| info.unexpected("fanotify flags"))?;
    let marks = info
        .lines()
        .filter(|line| line.starts_with("fanotify ") && !line.starts_with("fanotify flags:"));
    let mark = marks
        .map(|line| mark(file, &info, line, dump))
        .collect::<Result<_>>()?;
    warn_of_events(file, dump)?;
    let entry = FanotifyFileEntry {
        id,
        flags: file.flags,
        fown: file.owner.clone(),
        faflags,
        evflags,
        mark,
    };
    dump.write(FdTypes::Fanotify, id, |to| to.ffy = Some(entry))
}

/// `fanotify flags:0 event-flags:8000`.
pub fn flags(line: &str) -> Option<(u32, u32)> {
    let flags = hex_word(line, "flags")?.try_into().ok()?;
    Some((flags, hex_word(line, "event-flags")?.try_into().ok()?))
}

/// `fanotify ino:98c30b sdev:fe00000 mflags:0 mask:8 ignored_mask:0 fhandle-bytes:8 …` or
/// `fanotify mnt_id:1b mflags:0 mask:8 ignored_mask:0` or
/// `fanotify sdev:fe00000 mflags:0 mask:8 ignored_mask:0`.
fn mark(
    file: &OpenFile,
    info: &FdInfo,
    line: &str,
    dump: &FilesDump<'_>,
) -> Result<FanotifyMarkEntry> {
    let number = |key| hex_word(line, key).and_then(|n| u32::try_from(n).ok());
    let hex = |key| number(key).ok_or_else(|| info.unexpected(line));
    let mut entry = FanotifyMarkEntry {
        mflags: hex("mflags")?,
        mask: hex("mask")?,
        ignored_mask: hex("ignored_mask")?,
        ..FanotifyMarkEntry::default()
    };
    if line.starts_with("fanotify ino:") {
        let watched = Watched::parse(line).ok_or_else(|| info.unexpected(line))?;
        entry.r#type = MarkType::Inode.into();
        entry.s_dev = watched.dev;
        entry.ie = Some(FanotifyInodeMarkEntry {
            i_ino: watched.ino,
            f_handle: watched.entry(file, dump)?,
        });
    } else if line.starts_with("fanotify mnt_id:") {
        let mnt_id = hex("mnt_id")?;
        let (_, mount) = dump.namespaces.mount(mnt_id.into()).ok_or_else(|| {
            file.refuse(
                format!("a fanotify mark on mount {mnt_id}"),
                "the tree does not see that mount",
                "remove the mark before the dump",
            )
        })?;
        entry.r#type = MarkType::Mount.into();
        entry.s_dev = mount.kernel_dev();
        entry.me = Some(FanotifyMountMarkEntry {
            mnt_id,
            path: (!dump.namespaces.are_own()).then(|| mount.point.clone()),
        });
    } else if line.starts_with("fanotify sdev:") {
        entry.s_dev = hex("sdev")?;
        on_file_system(file, &mut entry, dump)?;
    } else {
        return Err(file.refuse(
            "a fanotify group with a mark on a mount namespace",
            "the image format knows marks on inodes, mounts and file systems only",
            "remove the mark before the dump",
        ));
    }
    Ok(entry)
}

/// A mark on a file system. The images have no type for it; but the flags of a mark on an inode
/// go to fanotify_mark(2) as they are, which then marks the file system of that inode: that of a
/// mount point.
fn on_file_system(
    file: &OpenFile,
    entry: &mut FanotifyMarkEntry,
    dump: &FilesDump<'_>,
) -> Result<()> {
    let device = (entry.s_dev >> 20, entry.s_dev & 0xf_ffff);
    let Some(mount) = dump.namespaces.reachable(device) else {
        return Err(file.refuse(
            format!(
                "a fanotify mark on the file system {}:{}",
                device.0, device.1
            ),
            "the tree sees no mount of it, so the restore would not find it",
            "remove the mark before the dump",
        ));
    };
    entry.r#type = MarkType::Inode.into();
    entry.mflags |= FILESYSTEM;
    entry.ie = Some(FanotifyInodeMarkEntry {
        i_ino: 0,
        f_handle: FhEntry {
            bytes: 0,
            r#type: NO_HANDLE,
            handle: vec![0; WORDS],
            path: Some(mount.point.clone()),
            mnt_id: dump.namespaces.mount_for_image(mount.id),
        },
    });
    Ok(())
}
