//! The file a unix socket is bound to.

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::AtFlags;

use super::bound_file;
use crate::files::{OpenFile, Stat};
use crate::mnt::{Namespaces, Root, is_shut_in};
use crate::userns::Owner;
use crate::{Result, proc};

/// What the kernel puts behind the path of a file without a name.
const DELETED: &[u8] = b" (deleted)";

/// A socket's file.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// For a relative address, the directory it was relative to.
    pub dir: Option<Vec<u8>>,
    /// Whether the path leads to the file no longer.
    pub deleted: bool,
    /// Type and permissions.
    pub mode: u32,
    /// Whose it is.
    pub owner: Owner,
    /// The mount it is on.
    pub mnt_id: u64,
}

/// Finds the file behind an address; `None` for an abstract one or none.
pub fn resolve(file: &OpenFile, sun_path: &[u8], namespaces: &Namespaces) -> Result<Option<Name>> {
    if sun_path.first().is_none_or(|first| *first == 0) {
        return Ok(None);
    }
    let bound = bound_file(file)?;
    let failed = |call| move |errno| file.error(call, errno);
    let stat = Stat::of(bound.as_fd()).map_err(failed("statx"))?;
    let root = namespaces.root_of(stat.mnt_id);
    let link = format!("/proc/self/fd/{}", bound.as_fd().as_raw_fd());
    let link = rustix::fs::readlink(link, Vec::new()).map_err(failed("readlink"))?;
    let (path, deleted) = strip_deleted(link.as_bytes(), &stat, root);
    let name = until_nul(sun_path);
    let dir = match name {
        [b'/', ..] => {
            check(file, sun_path, namespaces)?;
            None
        }
        _ => Some(match directory(path, name) {
            Some(dir) if deleted => nearest(dir, root).to_vec(),
            Some(dir) => dir.to_vec(),
            None => working_directory(file, name, &stat, root)?,
        }),
    };
    Ok(Some(Name {
        dir,
        deleted,
        mode: stat.mode,
        owner: stat.owner,
        mnt_id: stat.mnt_id,
    }))
}

/// Refuses an absolute address of a task that chroot(2) has shut in: the restore binds it before it
/// does that, to another path.
///
/// # Errors
///
/// The refusal; where the file is not told.
pub fn check(file: &OpenFile, sun_path: &[u8], namespaces: &Namespaces) -> Result<()> {
    if sun_path.first() != Some(&b'/') || !is_shut_in(file.at.pid)? {
        return Ok(());
    }
    let bound = bound_file(file)?;
    let stat = Stat::of(bound.as_fd()).map_err(|errno| file.error("statx", errno))?;
    let name = until_nul(sun_path);
    if leads_to(name, &stat, namespaces.root_of(stat.mnt_id)) {
        return Ok(());
    }
    Err(file.refuse(
        format!("a unix socket bound to {:?}", String::from_utf8_lossy(name)),
        "the path begins at a root directory that chroot(2) made, and the restore binds it before \
         it goes there",
        "bind it to a path relative to the working directory",
    ))
}

fn until_nul(sun_path: &[u8]) -> &[u8] {
    sun_path.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The path without the kernel's note, and whether that was one: a name may
/// end like it.
fn strip_deleted<'a>(link: &'a [u8], stat: &Stat, root: &Root) -> (&'a [u8], bool) {
    match link.strip_suffix(DELETED) {
        Some(path) if !leads_to(link, stat, root) => (path, true),
        _ => (link, false),
    }
}

fn leads_to(path: &[u8], stat: &Stat, root: &Root) -> bool {
    let found = root.stat(path, AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| (found.dev, found.ino) == (stat.dev, stat.ino))
}

/// The directory in which `name` is `path`.
fn directory<'a>(path: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let dir = path.strip_suffix(name)?.strip_suffix(b"/")?;
    Some(if dir.is_empty() { b"/" } else { dir })
}

/// A directory that is still there: `dir`, or the first above it. The restore goes there to bind a
/// name that it deletes at once, so any will do.
fn nearest<'a>(mut dir: &'a [u8], root: &Root) -> &'a [u8] {
    while root.stat(dir, AtFlags::empty()).is_err() {
        match dir.iter().rposition(|byte| *byte == b'/') {
            Some(at) if at > 0 => dir = &dir[..at],
            _ => return b"/",
        }
    }
    dir
}

/// The working directory of the task that has the socket, where `name` leads from there to the
/// socket's file: `../sock` and the like are not the end of any path.
fn working_directory(file: &OpenFile, name: &[u8], stat: &Stat, root: &Root) -> Result<Vec<u8>> {
    let link = proc::path(file.at.pid, "cwd");
    let cwd = rustix::fs::readlink(link, Vec::new())
        .map_err(|errno| file.error("readlink", errno))?
        .into_bytes();
    match leads_to(&[&cwd, b"/".as_slice(), name].concat(), stat, root) {
        true => Ok(cwd),
        false => Err(unreachable_name(file, name)),
    }
}

fn unreachable_name(file: &OpenFile, name: &[u8]) -> crate::Error {
    file.refuse(
        format!("a unix socket bound to {:?}", String::from_utf8_lossy(name)),
        "its file is no longer where this relative path led",
        "bind it to an absolute path",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_name_is_cut_off_its_path() {
        assert_eq!(directory(b"/run/app/sock", b"sock"), Some(&b"/run/app"[..]));
        assert_eq!(directory(b"/run/app/sock", b"app/sock"), Some(&b"/run"[..]));
        assert_eq!(directory(b"/sock", b"sock"), Some(&b"/"[..]));
        assert_eq!(directory(b"/run/sock", b"./sock"), Some(&b"/run"[..]));
        assert_eq!(directory(b"/run/a-sock", b"sock"), None);
        assert_eq!(directory(b"/run/sock", b"../sock"), None);
    }
}
