//! The small files of /proc/PID, one number each.

use commensal_sys::Pid;

use crate::proc::{self, Timer, path, unexpected, value};
use crate::userns::Uid;
use crate::{Error, Result};

/// What each of them says, and what timers there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// The personality (personality(2)).
    pub personality: u32,
    /// The adjustment for the out-of-memory killer (proc_pid_oom_score_adj(5)).
    pub oom_score_adj: i32,
    /// The login user (proc_pid_loginuid(5)), the last of all ids where none is set; `None` on a
    /// kernel without auditing.
    pub login_uid: Option<Uid>,
    /// The POSIX timers, the oldest first.
    pub timers: Vec<Timer>,
}

impl Plain {
    /// Of a task.
    ///
    /// # Errors
    ///
    /// As [`value`].
    pub fn read(pid: Pid) -> Result<Self> {
        Ok(Self {
            personality: personality(pid)?,
            oom_score_adj: oom_score_adj(pid)?,
            login_uid: login_uid(pid)?,
            timers: proc::timers(pid)?,
        })
    }
}

/// The personality (personality(2)).
///
/// # Errors
///
/// As [`value`].
pub fn personality(pid: Pid) -> Result<u32> {
    number(pid, "personality", |text| {
        u32::from_str_radix(text, 16).ok()
    })
}

fn login_uid(pid: Pid) -> Result<Option<Uid>> {
    match number(pid, "loginuid", |text| text.parse().ok().map(Uid::told)) {
        Err(Error::Proc { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        found => found.map(Some),
    }
}

fn oom_score_adj(pid: Pid) -> Result<i32> {
    number(pid, "oom_score_adj", |text| text.parse().ok())
}

fn number<T>(pid: Pid, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    let text = value(pid, name)?;
    let number = str::from_utf8(&text)
        .ok()
        .and_then(|text| parse(text.trim()));
    number.ok_or_else(|| unexpected(path(pid, name), &text))
}
