//! fanotify(7): marks on inodes, mounts and file systems.

use commensal_images::messages::{
    FanotifyFileEntry, FanotifyInodeMarkEntry, FanotifyMarkEntry, FanotifyMountMarkEntry, FdTypes,
    FhEntry, MarkType,
};
use commensal_seized::later;

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

/// `FAN_MARK_IGNORE` (fanotify_mark(2)): what is ignored has flags of its own.
const IGNORE: u32 = 0x400;
/// `FAN_MARK_IGNORED_SURV_MODIFY`.
const SURVIVES: u32 = 0x40;

/// `FAN_OPEN_PERM`, `FAN_ACCESS_PERM`, `FAN_OPEN_EXEC_PERM`, `FAN_PRE_ACCESS`: whoever does that
/// waits for an answer.
const PERMISSION: u32 = 0x1_0000 | 0x2_0000 | 0x4_0000 | 0x10_0000;

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
    let marks = marks
        .map(|line| mark(file, &info, line, dump))
        .collect::<Result<Vec<_>>>()?;
    warn_of_events(file, dump)?;
    if marks.iter().any(|mark| mark.mask & PERMISSION != 0) {
        warn_of_permission(file, dump);
    }
    let mark = marks.into_iter().flat_map(apart).collect();
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

/// What is watched and what is ignored of a mark, each for itself where the latter is of the newer
/// kind: the restore would give both the flags of the older, which the kernel does not take. As a
/// mark that has no more than the newer one's flags and mask it goes to fanotify_mark(2) as it was.
fn apart(mark: FanotifyMarkEntry) -> Vec<FanotifyMarkEntry> {
    if mark.mflags & IGNORE == 0 {
        return vec![mark];
    }
    let watched = FanotifyMarkEntry {
        mflags: mark.mflags & !(IGNORE | SURVIVES),
        ignored_mask: 0,
        ..mark.clone()
    };
    let ignored = FanotifyMarkEntry {
        mask: mark.ignored_mask,
        ignored_mask: 0,
        ..mark
    };
    let entries = [watched, ignored].into_iter();
    entries.filter(|entry| entry.mask != 0).collect()
}

fn warn_of_permission(file: &OpenFile, dump: &FilesDump<'_>) {
    if dump.writes() {
        let place = file.place.clone();
        later(move || {
            tracing::warn!(
                "{place}: a fanotify group that others ask for permission: a restore that opens a file \
                 marked so waits for an answer that nobody gives yet"
            )
        });
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_in_the_newer_way_is_a_mark_for_itself() {
        let mark = |mflags, mask, ignored_mask| FanotifyMarkEntry {
            mflags,
            mask,
            ignored_mask,
            ..FanotifyMarkEntry::default()
        };
        let older = mark(SURVIVES, 2, 8);
        assert_eq!(apart(older.clone()), [older]);
        let both = mark(IGNORE | SURVIVES | FILESYSTEM, 2, 8);
        let [watched, ignored] = [
            mark(FILESYSTEM, 2, 0),
            mark(IGNORE | SURVIVES | FILESYSTEM, 8, 0),
        ];
        assert_eq!(apart(both), [watched, ignored.clone()]);
        assert_eq!(apart(mark(ignored.mflags, 0, 8)), [ignored]);
    }
}
