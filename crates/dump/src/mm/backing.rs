//! The files behind mappings, opened without touching the task.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::OnceLock;

use commensal_sys::{Errno, Pid};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, Stat, StatFs};

use super::{InternalMount, internal_mount};
use crate::proc::maps::{Device, MapsLine};
use crate::{Error, Place, Refusal, Result, proc};

/// A file that a task has mapped, held open with `O_PATH`.
#[derive(Debug)]
pub struct MappedFile {
    fd: OwnedFd,
    stat: Stat,
    mount: Option<InternalMount>,
    fs_magic: i64,
    name: Vec<u8>,
    /// Its name as we see it, and whether it has been deleted.
    link: Vec<u8>,
}

impl MappedFile {
    fn new(fd: OwnedFd, line: &MapsLine) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(&fd)?;
        let fs: StatFs = rustix::fs::fstatfs(&fd)?;
        let mount = internal_mount(stat.st_dev, &fs)?;
        Ok(Self {
            link: link(&fd)?,
            fd,
            stat,
            mount,
            fs_magic: fs.f_type,
            name: line.name.clone(),
        })
    }

    /// Whether it has the same name still, which a text of `maps` would show.
    fn has_its_name(&self) -> bool {
        link(&self.fd).is_ok_and(|link| link == self.link)
    }

    /// What stat(2) says of it.
    pub const fn stat(&self) -> &Stat {
        &self.stat
    }

    /// The kernel's own mount it is on: the file is memory and has no path.
    pub const fn internal_mount(&self) -> Option<InternalMount> {
        self.mount
    }

    /// The magic of its file system (statfs(2)).
    pub const fn fs_magic(&self) -> i64 {
        self.fs_magic
    }

    /// Its name as `maps` has it, which is only good for looking.
    pub fn name(&self) -> &[u8] {
        &self.name
    }
}

/// What a descriptor of ours leads to (proc_pid_fd(5)).
fn link(fd: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::readlink(path, Vec::new())?.into_bytes())
}

impl AsFd for MappedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The mapped files that have been opened, so that a library mapped by a
/// hundred tasks is opened once. For tasks of one mount namespace: elsewhere
/// the same inode may have another path.
#[derive(Debug, Default)]
pub struct MappedFileCache {
    files: HashMap<(Device, u64, Vec<u8>), Arc<MappedFile>>,
    /// Whether all of them had their names still when that was first asked for.
    names_hold: OnceLock<bool>,
}

impl MappedFileCache {
    /// Whether no file that a task has mapped was renamed or deleted since it was looked at. Asked of a
    /// tree that stands still, and found once.
    pub fn names_hold(&self) -> bool {
        let hold = || self.files.values().all(|file| file.has_its_name());
        *self.names_hold.get_or_init(hold)
    }

    /// The file behind a mapping; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where the file cannot be reached;
    /// [`Error::Proc`] where the mapping is not there any more.
    pub fn get(&mut self, pid: Pid, line: &MapsLine) -> Result<Option<Arc<MappedFile>>> {
        if line.dev == Device::default() && line.ino == 0 {
            return Ok(None);
        }
        let key = (line.dev, line.ino, line.name.clone());
        if let Some(file) = self.files.get(&key) {
            return Ok(Some(Arc::clone(file)));
        }
        let fd = open(pid, line)?;
        let file = MappedFile::new(fd, line).map_err(|errno| {
            commensal_sys::Error::new("fstat of a mapped file", pid.get(), errno)
        })?;
        let file = Arc::new(file);
        self.files.insert(key, Arc::clone(&file));
        Ok(Some(file))
    }
}

/// Opens the very file through `map_files`, or, without the right to follow
/// these links (CAP_CHECKPOINT_RESTORE), one that is the same inode.
fn open(pid: Pid, line: &MapsLine) -> Result<OwnedFd> {
    let path = proc::path(pid, &format!("map_files/{:?}", Hex(line)));
    match rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => Ok(fd),
        Err(Errno::PERM | Errno::ACCESS) => {
            unprivileged(pid, line).ok_or_else(|| unreachable_file(pid, line).into())
        }
        Err(errno) => Err(Error::Proc {
            path,
            source: errno.into(),
        }),
    }
}

/// A mapping's name in `map_files`.
struct Hex<'a>(&'a MapsLine);

impl core::fmt::Debug for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let range = self.0.range.as_u64();
        write!(f, "{:x}-{:x}", range.start, range.end)
    }
}

/// The same inode by the task's exe link, by path, or among its descriptors.
fn unprivileged(pid: Pid, line: &MapsLine) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let is_it = |fd: &OwnedFd| {
        rustix::fs::fstat(fd).is_ok_and(|stat| {
            stat.st_ino == line.ino && Device::from_st_dev(stat.st_dev) == line.dev
        })
    };
    let link = |name: String| {
        rustix::fs::openat(CWD, name, flags, Mode::empty())
            .ok()
            .filter(is_it)
    };
    link(proc::path(pid, "exe"))
        .or_else(|| by_path(pid, line).filter(is_it))
        .or_else(|| {
            let fds = std::fs::read_dir(proc::path(pid, "fd")).ok()?;
            fds.filter_map(|entry| entry.ok()?.path().into_os_string().into_string().ok())
                .find_map(link)
        })
}

/// The file that has the mapping's path, below the task's root.
fn by_path(pid: Pid, line: &MapsLine) -> Option<OwnedFd> {
    let path = line.name.strip_prefix(b"/")?;
    let root = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(proc::path(pid, "root"), root, Mode::empty()).ok()?;
    let open = |path: &[u8]| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        rustix::fs::openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()
    };
    open(path).or_else(|| open(&unescape(path)))
}

/// The path with its newlines back.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(br"\012") {
            plain.push(b'\n');
            rest = behind;
        } else {
            plain.push(*first);
            rest = behind;
        }
    }
    plain
}

fn unreachable_file(pid: Pid, line: &MapsLine) -> Refusal {
    Refusal {
        what: format!("a mapping of {}", String::from_utf8_lossy(&line.name)),
        place: Place::Mapping {
            pid,
            range: line.range,
        },
        reason: "the file has no path that leads to it, and following the links of \
                 /proc/PID/map_files is not permitted"
            .into(),
        remedy: "dump with CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_task() -> Pid {
        Pid::new(std::process::id() as i32).expect("a process id is positive")
    }

    fn exe_line() -> MapsLine {
        let exe = std::fs::read_link("/proc/self/exe").expect("exe");
        let exe = exe.into_os_string().into_encoded_bytes();
        let maps = proc::maps::maps(this_task()).expect("own maps");
        maps.into_iter()
            .find(|line| line.name == exe)
            .expect("the program is mapped")
    }

    #[test]
    fn the_same_file_is_opened_once() {
        let mut cache = MappedFileCache::default();
        let line = exe_line();
        let one = cache
            .get(this_task(), &line)
            .expect("own file")
            .expect("a file");
        let two = cache
            .get(this_task(), &line)
            .expect("own file")
            .expect("a file");
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(one.stat().st_ino, line.ino);
    }

    #[test]
    fn without_map_files_the_inode_is_found_by_path() {
        let line = exe_line();
        let fd = by_path(this_task(), &line).expect("the path leads to it");
        assert_eq!(rustix::fs::fstat(&fd).expect("fstat").st_ino, line.ino);
    }

    #[test]
    fn another_file_by_the_same_path_is_not_taken() {
        let mut line = exe_line();
        line.ino ^= 1 << 40;
        assert!(unprivileged(this_task(), &line).is_none());
    }

    #[test]
    fn newlines_come_back() {
        assert_eq!(unescape(br"a\012b\01"), b"a\nb\\01");
    }
}
