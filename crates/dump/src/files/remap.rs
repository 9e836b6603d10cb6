//! The name by which a restore opens a file, and what stands in for a name that is gone.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use commensal_images::messages::{RemapFilePathEntry, RemapType};
use commensal_images::{EntryWriter, Image};
use commensal_seized::later;
use commensal_sys::{Errno, Pid};
use rustix::fs::{AtFlags, FileType};

use super::Stat;
use super::{FilesDump, Images, OpenFile, ghost, link_remap};
use crate::Result;
use crate::mnt::Mount;

// include/uapi/linux/magic.h
const PROC: u64 = 0x9fa0;
const DEVPTS: u64 = 0x1cd1;
const NFS: u64 = 0x6969;

/// What the kernel puts behind a name that is gone.
const DELETED: &[u8] = b" (deleted)";

/// The stand-ins of a tree.
pub struct Remaps<'s> {
    image: EntryWriter<'s>,
    dead_tasks: Vec<i32>,
    /// The inodes without a name whose contents are written.
    pub ghosts: ghost::Ghosts,
    /// The names that were made for the restore.
    pub links: link_remap::Links,
}

impl<'s> Remaps<'s> {
    /// None yet.
    pub fn new(images: &Images<'s>) -> Result<Self> {
        Ok(Self {
            image: images.entries(Image::RemapFpath)?,
            dead_tasks: Vec::new(),
            ghosts: ghost::Ghosts::default(),
            links: link_remap::Links::default(),
        })
    }

    /// Says that `file` is to be opened through something else.
    pub fn write(&mut self, file: u32, stand_in: u32, kind: RemapType) -> Result<()> {
        Ok(self.image.entry(&RemapFilePathEntry {
            orig_id: file,
            remap_id: stand_in,
            remap_type: Some(kind.into()),
        })?)
    }

    /// Completes the image and gives the names that were made.
    pub fn finish(self) -> Result<link_remap::Links> {
        self.image.finish()?;
        Ok(self.links)
    }
}

/// The name of a file in the images. Where it does not lead to the file, a stand-in is written.
///
/// # Errors
///
/// A refusal where there is neither.
pub fn name(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<Vec<u8>> {
    if let Some(name) = file.known_name() {
        return Ok(name.to_vec());
    }
    let link = file.link()?;
    if !link.starts_with(b"/") {
        return Err(super::unsupported::nameless(file));
    }
    // The terminal of a shell may be another container's; the restore takes its own instead.
    let outside_terminal =
        dump.options.shell_job && super::tty::is_terminal(&file.stat, dump.options);
    if !outside_terminal && dump.namespaces.mount(file.stat.mnt_id).is_none() {
        return Err(file.refuse(
            format!("{} on a mount that the tree cannot see", quoted(&link)),
            "the restore would look for its name on another mount",
            "close it, or let the restore provide it: --external file[MNT_ID:INODE]",
        ));
    }
    match file.fs_magic {
        PROC => return proc_entry(file, link, id, dump),
        // The kernel makes these names, also for a terminal that hung up.
        DEVPTS => return Ok(strip_deleted(&link).to_vec()),
        _ => {}
    }
    if file.stat.nlink == 0 {
        let name = strip_deleted(&link).to_vec();
        let mount = dump.namespaces.mount(file.stat.mnt_id);
        if mount.is_some_and(|(_, mount)| is_root_without_name(&name, mount)) {
            return Err(file.refuse(
                format!(
                    "the root of the mount on {}, which has lost its name",
                    quoted(&name)
                ),
                "the restore would have to remove what is mounted there",
                "close it, or unmount it",
            ));
        }
        ghost::dump(file, &name, id, dump)?;
        return Ok(name);
    }
    if file.fs_magic == NFS && is_silly_rename(&link) {
        link_remap::dump(file, &link, id, dump)?;
        return Ok(link);
    }
    match stat_path(file, &link, dump) {
        Ok(stat) if (stat.dev, stat.ino) == (file.stat.dev, file.stat.ino) => {
            dump.named.remember(file, &link);
            Ok(link)
        }
        Ok(stat) if is_same_device(file, &stat, dump) => Ok(link),
        Ok(_) => Err(file.refuse(
            format!("the file once called {}", quoted(&link)),
            "another file has that name now, or a mount lies over it",
            "close it, or give it its name back",
        )),
        Err(Errno::NOENT | Errno::NOTDIR) => {
            let name = strip_deleted(&link).to_vec();
            link_remap::dump(file, &name, id, dump)?;
            Ok(name)
        }
        Err(errno) => Err(file.error("statx", errno)),
    }
}

fn stat_path(file: &OpenFile, path: &[u8], dump: &FilesDump<'_>) -> Result<Stat, Errno> {
    let follow = match file.stat.file_type() {
        FileType::Symlink => AtFlags::SYMLINK_NOFOLLOW,
        _ => AtFlags::empty(),
    };
    dump.namespaces.root_of(file.stat.mnt_id).stat(path, follow)
}

/// The name of a file that has one which leads to it, and needs no stand-in; `None` of any other.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn plain_name(file: &OpenFile, dump: &FilesDump<'_>) -> Result<Option<Vec<u8>>> {
    let of_the_kernel =
        [PROC, DEVPTS, NFS].contains(&file.fs_magic) || dump.memory_devices.contains(file.stat.dev);
    if of_the_kernel || file.stat.nlink == 0 || dump.namespaces.mount(file.stat.mnt_id).is_none() {
        return Ok(None);
    }
    let link = file.link()?;
    let leads = link.starts_with(b"/")
        && stat_path(file, &link, dump)
            .is_ok_and(|stat| (stat.dev, stat.ino) == (file.stat.dev, file.stat.ino));
    Ok(leads.then_some(link))
}

/// With `--evasive-devices` any path to the same device will do.
fn is_same_device(file: &OpenFile, stat: &Stat, dump: &FilesDump<'_>) -> bool {
    let device = matches!(
        file.stat.file_type(),
        FileType::CharacterDevice | FileType::BlockDevice
    );
    dump.options.evasive_devices && device && stat.rdev == file.stat.rdev
}

/// The id of a task or thread that a directory in /proc is named after.
fn id_in_name(part: &[u8]) -> Option<i32> {
    let id = std::str::from_utf8(part).ok()?.parse().ok()?;
    (id > 0).then_some(id)
}

/// An entry of /proc. One of a task that is gone is opened, at the restore, while a helper has
/// that pid.
fn proc_entry(
    file: &OpenFile,
    link: Vec<u8>,
    id: u32,
    dump: &mut FilesDump<'_>,
) -> Result<Vec<u8>> {
    let Some(point) = dump
        .namespaces
        .mount(file.stat.mnt_id)
        .map(|(_, mount)| mount.point.clone())
    else {
        return Ok(link);
    };
    let name = strip_deleted(&link).to_vec();
    let inside = name.strip_prefix(point.as_slice()).unwrap_or(b"");
    let mut parts = inside
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty());
    let Some(pid) = parts.next().and_then(id_in_name) else {
        return Ok(link);
    };
    let thread = parts.next().filter(|part| *part == b"task");
    let thread = thread.and_then(|_| id_in_name(parts.next()?));
    if thread.is_some_and(|tid| tid != pid) {
        return Err(file.refuse(
            format!("{}, of a thread", quoted(&name)),
            "the restore opens files before it makes threads",
            "close it before the dump; if the program has it open for a moment only, try again",
        ));
    }
    let deleted = name.len() != link.len();
    if dump.pids.are_own() && !dump.namespaces.are_own() {
        return Err(file.refuse(
            format!("{}, of a /proc of another pid namespace", quoted(&name)),
            "that one knows the task by another id, which it will not have after the restore",
            "close it, or mount a /proc of the tree's own: unshare --mount-proc",
        ));
    }
    let (alive, in_tree) = whose_entry(pid, dump);
    if deleted || !alive {
        if !dump.remaps.dead_tasks.contains(&pid) {
            dump.remaps.dead_tasks.push(pid);
            dump.remaps.write(id, pid as u32, RemapType::Procfs)?;
        }
    } else if dump.writes() && !in_tree {
        let (place, name) = (file.place.clone(), quoted(&name));
        later(move || {
            tracing::warn!(
                "{place} is open on {name}, of a task outside of the tree: the restore opens \
                 whatever task has that pid then"
            )
        });
    }
    Ok(name)
}

/// Whether there is a task that the tree calls `pid`, and whether it is of the tree. Of a pid
/// namespace of the tree's own, only the tree's tasks are restored.
fn whose_entry(pid: i32, dump: &FilesDump<'_>) -> (bool, bool) {
    if let Some(known) = dump.pids.has_inside(pid) {
        return (known, known);
    }
    let in_tree = Pid::new(pid).is_some_and(|pid| dump.tasks.contains(&pid));
    (Path::new(&format!("/proc/{pid}/")).exists(), in_tree)
}

/// Whether a file with this name, of a mount, is its root, which has lost its own name.
fn is_root_without_name(name: &[u8], mount: &Mount) -> bool {
    mount.root_deleted && name == mount.point
}

/// The link without the " (deleted)" that the kernel puts behind it, once: a file may be called so.
fn strip_deleted(link: &[u8]) -> &[u8] {
    link.strip_suffix(DELETED).unwrap_or(link)
}

/// NFS renames a file that is open when it is removed: `.nfs` and 24 hexadecimal digits.
fn is_silly_rename(link: &[u8]) -> bool {
    let name = Path::new(std::ffi::OsStr::from_bytes(link)).file_name();
    let digits = name.and_then(|name| name.as_bytes().strip_prefix(b".nfs"));
    digits.is_some_and(|digits| digits.len() == 24 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// A name of the target's, for a person: control characters shown as escapes.
pub fn quoted(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_goes_once() {
        assert_eq!(strip_deleted(b"/a (deleted)"), b"/a");
        assert_eq!(strip_deleted(b"/a (deleted) (deleted)"), b"/a (deleted)");
        assert_eq!(strip_deleted(b"/a"), b"/a");
    }

    #[test]
    fn a_root_without_a_name_is_told() {
        let mount = |root: &[u8], root_deleted| Mount {
            root: root.to_vec(),
            root_deleted,
            point: b"/b".to_vec(),
            ..Mount::default()
        };
        assert!(is_root_without_name(b"/b", &mount(b"/a", true)));
        assert!(!is_root_without_name(b"/b/c", &mount(b"/a", true)));
        assert!(!is_root_without_name(b"/b", &mount(b"/a", false)));
    }

    #[test]
    fn silly_renames_have_24_digits() {
        assert!(is_silly_rename(b"/nfs/.nfs00000000000a1b2c00000001"));
        assert!(!is_silly_rename(b"/nfs/.nfs1"));
        assert!(!is_silly_rename(b"/.nfs00000000000a1b2c00000001/file"));
    }
}
