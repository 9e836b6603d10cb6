//! Files that a task holds without a descriptor: mapped ones, and the links of
//! /proc/PID.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

use commensal_sys::pagemap::{Categories, Pagemap, Query, Region};
use commensal_sys::{PAGE_SIZE, Pid, RemoteRange};
use rustix::fs::{Mode, OFlags, open};

use crate::files::FilesDump;
use crate::mm::{FileEntries, Kind, MappedFile, Mapping, Mappings};
use crate::{Error, Place, Result, proc};

/// The id of the file entry of `exe`, `cwd` or `root`.
///
/// # Errors
///
/// A refusal where a restore would not find the file by any path.
pub fn register(files: &mut FilesDump<'_>, pid: Pid, name: &'static str) -> Result<u32> {
    let path = proc::path(pid, name);
    if let Some(id) = files.foreseen_link(&path) {
        return Ok(id);
    }
    files.register(open_link(pid, name)?, Place::Link { pid, name })
}

fn open_link(pid: Pid, name: &str) -> Result<OwnedFd> {
    let path = proc::path(pid, name);
    open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| proc::error(pid, path, errno.into()))
}

/// Registers what a running task has without a descriptor, as far as that is simple: what fails
/// here is tried again, and told, when the task stands still.
pub fn foresee(files: &mut FilesDump<'_>, known: &mut KnownFiles, mappings: &Mappings) {
    let pid = mappings.pid();
    for mapping in mappings.iter().filter(|mapping| mapping.kind == Kind::File) {
        let _ = mapping.file.as_ref().map_or(Ok(()), |file| {
            foresee_mapped(files, known, pid, mapping, file)
        });
    }
    // The program is mapped, too, and its build id is known by now.
    for name in ["exe", "cwd", "root"] {
        let fd = open_link(pid, name);
        let _ = fd.and_then(|fd| files.foresee(fd, Place::Link { pid, name }));
    }
}

fn foresee_mapped(
    files: &mut FilesDump<'_>,
    known: &mut KnownFiles,
    pid: Pid,
    mapping: &Mapping,
    file: &MappedFile,
) -> Result<()> {
    let key = key(file);
    if known.contains_key(&key) {
        return Ok(());
    }
    let range = mapping.range();
    if mapping.line.pgoff == 0 && first_page_is_the_files(pid, range)? {
        files.foresee_build_id(key.0, key.1, pid, range);
    }
    if let Some(id) = files.foresee(clone(pid, file)?, Place::Mapping { pid, range })? {
        known.insert(key, id);
    }
    Ok(())
}

/// Whether the first page of a mapping is there, and no copy that the task has written to.
fn first_page_is_the_files(pid: Pid, range: RemoteRange) -> Result<bool> {
    let start = range.start().get();
    let query = Query {
        all_of: Categories::PRESENT | Categories::FILE,
        ..Query::default()
    };
    let page = RemoteRange::new(start, start + PAGE_SIZE).expect("a mapping has a page");
    let scan = Pagemap::open(pid)?.scan(page, &query, &mut [Region::default()])?;
    Ok(scan.regions == 1)
}

fn clone(pid: Pid, file: &MappedFile) -> Result<OwnedFd> {
    let fd = file.as_fd().try_clone_to_owned();
    fd.map_err(|source| Error::Proc {
        path: proc::path(pid, "map_files"),
        source,
    })
}

fn key(file: &MappedFile) -> (u64, u64, Vec<u8>) {
    let stat = file.stat();
    (stat.st_dev, stat.st_ino, file.name().to_vec())
}

/// The mapped files of one task.
pub struct MappedFiles<'f, 's> {
    /// The task.
    pub pid: Pid,
    /// The files of the tree.
    pub files: &'f mut FilesDump<'s>,
    /// The ids of mapped files that were asked for before.
    pub known: &'f mut KnownFiles,
}

/// The ids of mapped files, by device, inode and name in `maps`.
pub type KnownFiles = HashMap<(u64, u64, Vec<u8>), u32>;

impl FileEntries for MappedFiles<'_, '_> {
    fn mapped_file(&mut self, mapping: &Mapping, file: &MappedFile) -> Result<u32> {
        let key = key(file);
        if let Some(id) = self.known.get(&key) {
            return Ok(*id);
        }
        let place = Place::Mapping {
            pid: self.pid,
            range: mapping.range(),
        };
        let fd = clone(self.pid, file)?;
        let id = self.files.register(fd, place)?;
        self.known.insert(key, id);
        Ok(id)
    }

    fn packet_socket(&mut self, dev: u64, inode: u64) -> Option<u32> {
        self.files.descriptor_of(dev, inode)
    }
}
