//! `mountpoints-N.img`: one entry for each mount.

use commensal_images::messages::{FsType, MntEntry};
use rustix::mount::MountFlags;

use super::table::{Source, Table};
use super::{Mount, filesystem};

// mount(2); the kernel never takes these as flags of a new mount.
const MS_REC: u32 = 0x4000;
const MS_UNBINDABLE: u32 = 1 << 17;
const MS_SLAVE: u32 = 1 << 19;
const MS_SHARED: u32 = 1 << 20;
const MS_STRICTATIME: u32 = 1 << 24;

/// The flag of an option of a mount; `None` for one that the images have no place for.
pub fn flag(option: &[u8]) -> Option<u32> {
    Some(match option {
        b"rw" => 0,
        b"ro" => MountFlags::RDONLY.bits(),
        b"nosuid" => MountFlags::NOSUID.bits(),
        b"nodev" => MountFlags::NODEV.bits(),
        b"noexec" => MountFlags::NOEXEC.bits(),
        b"noatime" => MountFlags::NOATIME.bits(),
        b"nodiratime" => MountFlags::NODIRATIME.bits(),
        b"relatime" => MountFlags::RELATIME.bits(),
        _ => return None,
    })
}

/// The flag of an option of a file system; any other is given as it is.
fn fs_flag(option: &[u8]) -> Option<u32> {
    Some(match option {
        b"rw" => 0,
        b"ro" => MountFlags::RDONLY.bits(),
        b"sync" => MountFlags::SYNCHRONOUS.bits(),
        b"dirsync" => MountFlags::DIRSYNC.bits(),
        b"mand" => MountFlags::PERMIT_MANDATORY_FILE_LOCKING.bits(),
        _ => return None,
    })
}

/// The entry of a mount.
pub fn entry(mount: &Mount, table: &Table<'_>, host_pts: Option<(u32, u32)>) -> MntEntry {
    let fs_type = filesystem::fs_type(mount);
    let external = match table.source(mount) {
        Ok(Source::External(name)) => Some(name.to_owned()),
        _ => None,
    };
    let (sb_flags, mut options) = fs_options(&mount.fs_options);
    if fs_type == FsType::Devpts && Some(mount.dev) != host_pts {
        options.push(b"newinstance");
    }
    MntEntry {
        fstype: fs_type as u32,
        mnt_id: mount.id as u32,
        root_dev: mount.kernel_dev(),
        parent_mnt_id: mount.parent as u32,
        flags: flags(mount, fs_type),
        root: mount.root.clone(),
        mountpoint: mount.point.clone(),
        source: mount.source.clone(),
        options: options.join(&b','),
        shared_id: Some(mount.shared),
        master_id: Some(mount.master),
        deleted: mount.root_deleted.then_some(true),
        sb_flags: Some(sb_flags),
        ext_key: external,
        ..MntEntry::default()
    }
}

fn flags(mount: &Mount, fs_type: FsType) -> u32 {
    let options = mount.options.split(|byte| *byte == b',');
    let mut flags = options.filter_map(flag).fold(0, |all, flag| all | flag);
    if flags & (MountFlags::RELATIME | MountFlags::NOATIME).bits() == 0 {
        flags |= MS_STRICTATIME;
    }
    for (is_set, flag) in [
        (mount.shared != 0, MS_SHARED),
        (mount.master != 0, MS_SLAVE),
        (mount.unbindable, MS_UNBINDABLE),
        // The kernel may have mounted tracefs below it.
        (fs_type == FsType::Debugfs, MS_REC),
    ] {
        if is_set {
            flags |= flag;
        }
    }
    flags
}

/// The flags among the options of a file system, and the others.
fn fs_options(options: &[u8]) -> (u32, Vec<&[u8]>) {
    let mut flags = 0;
    let mut others = Vec::new();
    for option in options.split(|byte| *byte == b',') {
        match fs_flag(option) {
            Some(flag) => flags |= flag,
            None => others.push(option),
        }
    }
    (flags, others)
}

#[cfg(test)]
mod tests {
    use super::super::mountinfo::parse;
    use super::*;
    use crate::Options;
    use crate::mnt::Mounts;

    #[test]
    fn options_become_flags() {
        let line =
            b"5 1 0:9 / /t ro,nosuid,noatime shared:3 master:4 - tmpfs none ro,size=4k,mode=755";
        let mount = parse(line).unwrap();
        let (mounts, options) = (Mounts::default(), Options::default());
        let entry = entry(&mount, &Table::new(&mounts, &options), None);
        assert_eq!(entry.flags, 0x1 | 0x2 | 0x400 | MS_SHARED | MS_SLAVE);
        assert_eq!(entry.sb_flags, Some(1));
        assert_eq!(entry.options, b"size=4k,mode=755");
        assert_eq!((entry.shared_id, entry.master_id), (Some(3), Some(4)));
        assert_eq!((entry.root_dev, entry.fstype), (9, FsType::Tmpfs as u32));
    }

    #[test]
    fn a_devpts_of_its_own_is_a_new_instance() {
        let line = b"5 1 0:9 / /dev/pts rw - devpts devpts rw,ptmxmode=666";
        let mount = parse(line).unwrap();
        let (mounts, options) = (Mounts::default(), Options::default());
        let table = Table::new(&mounts, &options);
        let of_host = entry(&mount, &table, Some((0, 9)));
        assert_eq!(of_host.options, b"ptmxmode=666");
        let own = entry(&mount, &table, Some((0, 8)));
        assert_eq!(own.options, b"ptmxmode=666,newinstance");
        assert_eq!(own.flags, MS_STRICTATIME);
    }
}
