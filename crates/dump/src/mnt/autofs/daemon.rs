//! Who mounts on demand: the task that reads the pipe of an autofs.

use commensal_sys::pidfd::PidFd;
use commensal_sys::{Errno, Pid};

use super::options::AutofsOptions;
use crate::files::{OpenFile, numbers};
use crate::pidns::{Pids, VirtualId};
use crate::userns::Users;
use crate::{Error, Result};

/// The daemon of an autofs, the leader of its process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// What the tree calls it.
    pub id: VirtualId,
    /// Its end of the pipe.
    pub read_fd: i32,
    /// Whether it still has the end that it gave the kernel.
    pub has_write_end: bool,
    /// Bytes of requests that it has not read.
    pub unread: u64,
}

/// What reads the requests of an autofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Its daemon, a task of the tree.
    Daemon(Daemon),
    /// Nobody: no task of the tree has the pipe, and none at all is in the process group that may
    /// answer. The next request finds that out.
    Nobody,
    /// A task outside of the tree, or one that is not the leader of the daemon's process group.
    Other,
}

/// Who reads the requests of an autofs with these `options`, in a tree of these `tasks`.
///
/// # Errors
///
/// When the descriptors of the daemon cannot be read.
pub fn find(
    options: &AutofsOptions,
    tasks: &[Pid],
    (pids, users): (&Pids, &Users),
) -> Result<Reader> {
    let (Some(pipe), Some(leader)) = (options.pipe, Pid::new(options.pgrp)) else {
        return Ok(Reader::Other);
    };
    let leader = tasks.iter().find(|task| **task == leader);
    if let Some(leader) = leader
        && let Some(daemon) = ends(*leader, pipe, options.fd, (pids, users))?
    {
        return Ok(Reader::Daemon(daemon));
    }
    if has_members(options.pgrp) {
        return Ok(Reader::Other);
    }
    for &task in tasks {
        if ends(task, pipe, None, (pids, users))?.is_some() {
            return Ok(Reader::Other);
        }
    }
    Ok(Reader::Nobody)
}

/// The ends of a pipe that a task has; `None` where it does not read it.
fn ends(
    task: Pid,
    pipe: u64,
    given: Option<i32>,
    (pids, users): (&Pids, &Users),
) -> Result<Option<Daemon>> {
    let link = format!("pipe:[{pipe}]");
    let handle = PidFd::open(task)?;
    let mut reads = None;
    let mut has_write_end = false;
    for fd in numbers(task)? {
        if crate::proc::link(task, &format!("fd/{fd}"))? != link.as_bytes() {
            continue;
        }
        let file = OpenFile::of_task(&handle, fd, None, (pids, users))?;
        match file.is_readable() {
            true => reads = reads.or(Some(file)),
            false => has_write_end |= given == Some(fd),
        }
    }
    let Some(file) = reads else { return Ok(None) };
    Ok(Some(Daemon {
        id: pids.task(task)?,
        read_fd: file.at.fd,
        has_write_end,
        unread: file.ask("FIONREAD", |fd| rustix::io::ioctl_fionread(fd))?,
    }))
}

/// Whether a task is in a process group.
fn has_members(pgrp: i32) -> bool {
    let group = rustix::process::Pid::from_raw(pgrp);
    group.is_none_or(|group| rustix::process::test_kill_process_group(group) != Err(Errno::SRCH))
}

/// Nothing of a descriptor that was closed, or a task that ended, while the tree runs.
pub fn unless_gone(found: Result<Reader>) -> Result<Option<Reader>> {
    match found {
        Err(Error::Gone { .. }) => Ok(None),
        Err(Error::Sys(error)) if error.is_gone() || error.errno == Errno::BADF => Ok(None),
        Err(Error::Proc { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        found => found.map(Some),
    }
}
