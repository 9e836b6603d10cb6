//! A name for a watched inode whose handle leads to none, as every handle does without
//! CAP_DAC_READ_SEARCH: looked for below directories that the user names, then below those that
//! the tasks are in, then where services use to watch.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use commensal_sys::Pid;

use crate::proc;

/// How many directory entries are looked at below directories that somebody has named, before the
/// search is given up; and below those that tasks happen to be in.
const MOST_ENTRIES: usize = 1 << 20;
const MOST_AROUND_TASKS: usize = 1 << 14;

/// Where programs watch for configuration, logs and spools; CRIU looks there, too.
const USUAL: [&str; 8] = [
    "/etc",
    "/var/spool",
    "/var/log",
    "/usr/share/dbus-1/services",
    "/usr/share/dbus-1/system-services",
    "/var/lib/polkit-1/localauthority",
    "/usr/share/polkit-1/actions",
    "/lib/udev",
];

/// The path of inode `ino` on the device of `(major, minor)` below one of the `named`
/// directories, below the working directory of one of `tasks`, or at a usual place.
pub fn find(named: &[PathBuf], tasks: &[Pid], device: (u32, u32), ino: u64) -> Option<Vec<u8>> {
    let usual = USUAL.map(PathBuf::from);
    let around = || {
        let cwd = |pid: &Pid| fs::read_link(proc::path(*pid, "cwd")).ok();
        let directories: Vec<_> = tasks.iter().filter_map(cwd).collect();
        find_below(&directories, MOST_AROUND_TASKS, device, ino)
    };
    find_below(named, MOST_ENTRIES, device, ino)
        .or_else(around)
        .or_else(|| find_below(&usual, MOST_ENTRIES, device, ino))
        .or_else(|| find_at("/", device, ino))
}

/// The path itself, where it is that inode.
fn find_at(path: &str, device: (u32, u32), ino: u64) -> Option<Vec<u8>> {
    let found = fs::symlink_metadata(path).ok()?;
    let dev = found.dev();
    let same = (rustix::fs::major(dev), rustix::fs::minor(dev)) == device && found.ino() == ino;
    same.then(|| path.as_bytes().to_vec())
}

/// The path of the inode below one of `directories`, among the first `most` entries. Links are not
/// followed, and other devices not entered.
fn find_below(
    directories: &[PathBuf],
    most: usize,
    device: (u32, u32),
    ino: u64,
) -> Option<Vec<u8>> {
    let is_it = |path: &Path| {
        let found = fs::symlink_metadata(path).ok()?;
        let dev = found.dev();
        let same = (rustix::fs::major(dev), rustix::fs::minor(dev)) == device;
        Some((same, same && found.ino() == ino, found.is_dir()))
    };
    let mut left = most;
    let mut waiting = directories.to_vec();
    while let Some(path) = waiting.pop() {
        left = left.checked_sub(1)?;
        let Some((same_device, found, is_directory)) = is_it(&path) else {
            continue;
        };
        if found {
            return Some(path.as_os_str().as_bytes().to_vec());
        }
        let named = directories.contains(&path);
        if is_directory
            && (same_device || named)
            && let Ok(entries) = fs::read_dir(&path)
        {
            waiting.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inode_is_found_by_its_name_below_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let file = inner.join("watched");
        fs::write(&file, b"").unwrap();
        let meta = fs::metadata(&file).unwrap();
        let device = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
        let dirs = [dir.path().to_owned()];
        let found = find_below(&dirs, MOST_ENTRIES, device, meta.ino()).unwrap();
        assert_eq!(found, file.as_os_str().as_bytes());
        let elsewhere = [inner.join("nothing")];
        assert_eq!(
            find_below(&elsewhere, MOST_ENTRIES, device, meta.ino()),
            None
        );
        assert_eq!(
            find_below(&dirs, MOST_ENTRIES, (device.0, device.1 + 1), meta.ino()),
            None
        );
    }
}
