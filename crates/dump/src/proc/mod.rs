//! The texts of proc(5), parsed; all of it is untrusted input.

pub mod cgroups;
pub(crate) mod fuzzing;
pub mod maps;
pub mod smaps;
mod stat;
mod status;
mod tasks;
mod text;
mod timers;

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;

use commensal_sys::{Errno, Pid};
use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, open};

use crate::{Error, Result};

pub use stat::Stat;
pub use status::Status;
pub use tasks::{children, resident, threads};
pub use timers::{Timer, timers};

/// The path of a file of a task: `/proc/PID/name`.
pub fn path(pid: Pid, name: &str) -> String {
    format!("/proc/{pid}/{name}")
}

/// The whole text of a file of a task.
///
/// # Errors
///
/// [`Error::Gone`] when the task is, [`Error::Proc`] for any other reason.
pub fn read(pid: Pid, name: &str) -> Result<Vec<u8>> {
    let path = path(pid, name);
    whole(&path).map_err(|errno| error(pid, path, errno.into()))
}

/// Reads a file without asking for its size, which /proc does not know: most
/// of its files come in two calls then, instead of eight.
pub(crate) fn whole(path: &str) -> Result<Vec<u8>, Errno> {
    const ROOM: usize = 16 << 10;
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = Vec::with_capacity(ROOM);
    loop {
        text.reserve(ROOM / 2);
        if rustix::io::read(&file, spare_capacity(&mut text))? == 0 {
            return Ok(text);
        }
    }
}

/// The text of a file that holds a single value, which the kernel gives in one piece.
///
/// # Errors
///
/// As [`read`].
pub fn value(pid: Pid, name: &str) -> Result<Vec<u8>> {
    const ROOM: usize = 64;
    let path = path(pid, name);
    let read = || {
        let file = open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = Vec::with_capacity(ROOM);
        rustix::io::read(&file, spare_capacity(&mut text))?;
        Ok(text)
    };
    read().map_err(|errno: Errno| error(pid, path.clone(), errno.into()))
}

/// Where a symbolic link of a task points to.
///
/// # Errors
///
/// As [`read`].
pub fn link(pid: Pid, name: &str) -> Result<Vec<u8>> {
    let path = path(pid, name);
    match fs::read_link(&path) {
        Ok(target) => Ok(target.into_os_string().into_vec()),
        Err(source) => Err(error(pid, path, source)),
    }
}

/// ENOENT and ESRCH are how /proc says that a task is gone; where the task is
/// still there and not about to end, it was the file that is missing.
pub(crate) fn error(pid: Pid, path: String, source: io::Error) -> Error {
    let errno = source.raw_os_error().map(Errno::from_raw_os_error);
    let gone = match errno {
        Some(Errno::SRCH) => true,
        Some(Errno::NOENT) => has_ended(pid),
        _ => false,
    };
    if gone {
        Error::Gone { pid }
    } else {
        Error::Proc { path, source }
    }
}

/// Whether a task has ended, or is ending: its memory, and the link to its program, go before its
/// state tells. As a zombie it still has most of its files in /proc, and nothing to say in them.
pub(crate) fn has_ended(pid: Pid) -> bool {
    // include/linux/sched.h
    const PF_EXITING: u32 = 0x4;
    let text = whole(&path(pid, "stat")).unwrap_or_default();
    Stat::parse(&text).is_none_or(|stat| stat.state == b'Z' || stat.flags & PF_EXITING != 0)
}

/// The error of a text that is not as proc(5) says.
pub fn unexpected(path: impl Into<String>, line: &[u8]) -> Error {
    Error::Parse {
        path: path.into(),
        line: String::from_utf8_lossy(line).into_owned(),
    }
}
