//! Mounts of files and directories that have lost their names: the restore makes each anew, and
//! removes it when all is mounted.

use rustix::fs::AtFlags;

use super::table::{Against, holds};
use super::{Mount, Namespaces};

/// What stands against a mount whose root has lost its name.
pub fn against(mount: &Mount, namespaces: &Namespaces) -> Option<Against> {
    if !mount.root_deleted {
        return None;
    }
    let is_twin = |other: &Mount| {
        other.id != mount.id
            && other.root_deleted
            && other.root == mount.root
            && other.same_file_system(mount)
    };
    let is_there_twice = namespaces.mounts().any(is_twin) || has_name(mount, namespaces);
    is_there_twice.then(|| {
        (
            "its root has lost its name, and something else has that, or another mount shows it, too: \
             the restore cannot make both",
            "unmount one of them".into(),
        )
    })
}

/// Whether something has the name that the root of a mount has lost.
fn has_name(mount: &Mount, namespaces: &Namespaces) -> bool {
    let mut others = namespaces.of_device(mount.dev);
    others.any(|(root, other)| {
        if other.root_deleted || !holds(other, mount) {
            return false;
        }
        let part = other.root.strip_suffix(b"/").unwrap_or(&other.root);
        let path = [other.point.as_slice(), &mount.root[part.len()..]].concat();
        let found = root.stat(&path, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|stat| other.has_device(stat.dev))
    })
}
