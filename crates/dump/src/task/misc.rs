//! The small files of /proc/PID, one number each.

use commensal_sys::Pid;

use crate::proc::{path, unexpected, value};
use crate::userns::Uid;
use crate::{Error, Result};

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

/// The login user (proc_pid_loginuid(5)), the last of all ids where none is set; `None` on a
/// kernel without auditing.
///
/// # Errors
///
/// As [`value`].
pub fn login_uid(pid: Pid) -> Result<Option<Uid>> {
    match number(pid, "loginuid", |text| text.parse().ok().map(Uid::told)) {
        Err(Error::Proc { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        found => found.map(Some),
    }
}

/// The adjustment for the out-of-memory killer (proc_pid_oom_score_adj(5)).
///
/// # Errors
///
/// As [`value`].
pub fn oom_score_adj(pid: Pid) -> Result<i32> {
    number(pid, "oom_score_adj", |text| text.parse().ok())
}

fn number<T>(pid: Pid, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    let text = value(pid, name)?;
    let number = str::from_utf8(&text)
        .ok()
        .and_then(|text| parse(text.trim()));
    number.ok_or_else(|| unexpected(path(pid, name), &text))
}
