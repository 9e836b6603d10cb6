//! Who belongs together: `/proc/PID/task` and `/proc/PID/task/TID/children`.

use std::fs;

use commensal_sys::{Pid, Tid};

use super::{error, path, read, unexpected};
use crate::Result;

/// The threads of a task that exist now, in no particular order; a zombie has
/// its leader only.
///
/// # Errors
///
/// [`Error::Gone`](crate::Error::Gone) when the task is.
pub fn threads(pid: Pid) -> Result<Vec<Tid>> {
    let dir = path(pid, "task");
    let fail = |source| error(pid, dir.clone(), source);
    let mut threads = Vec::new();
    for entry in fs::read_dir(&dir).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let tid = name.to_str().and_then(|name| Tid::new(name.parse().ok()?));
        threads.push(tid.ok_or_else(|| unexpected(&dir, name.as_encoded_bytes()))?);
    }
    Ok(threads)
}

/// The children of one thread that exist now, zombies included, in the order
/// of their birth. Only exact while the thread and its children stand still
/// (proc(5)).
///
/// # Errors
///
/// [`Error::Gone`](crate::Error::Gone) when the task is; a thread that has
/// ended has no children.
pub fn children(pid: Pid, tid: Tid) -> Result<Vec<Pid>> {
    let name = format!("task/{tid}/children");
    let text = match read(pid, &name) {
        Ok(text) => text,
        Err(crate::Error::Proc { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    parse_children(&text).ok_or_else(|| unexpected(path(pid, &name), &text))
}

/// How many pages of a task are in memory, roughly (proc_pid_statm(5)).
///
/// # Errors
///
/// [`Error::Gone`](crate::Error::Gone) when the task is.
pub fn resident(pid: Pid) -> Result<u64> {
    let text = read(pid, "statm")?;
    let second = str::from_utf8(&text)
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    second.ok_or_else(|| unexpected(path(pid, "statm"), &text))
}

pub(super) fn parse_children(text: &[u8]) -> Option<Vec<Pid>> {
    str::from_utf8(text)
        .ok()?
        .split_whitespace()
        .map(|pid| Pid::new(pid.parse().ok()?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_pids() {
        let pid = |raw| Pid::new(raw).unwrap();
        assert_eq!(parse_children(b"12 7 "), Some(vec![pid(12), pid(7)]));
        assert_eq!(parse_children(b""), Some(vec![]));
        assert_eq!(parse_children(b"12 -7"), None);
        assert_eq!(parse_children(b"x"), None);
    }

    #[test]
    fn our_own_threads_and_children_are_found() {
        let own = Pid::new(std::process::id() as i32).unwrap();
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let threads = threads(own).unwrap();
        assert!(threads.contains(&own.leader()));
        let found = threads
            .iter()
            .flat_map(|&tid| children(own, tid).unwrap())
            .any(|pid| pid.get() == child.id() as i32);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(found);
    }
}
