//! The tasks of a tree, as they are seen from outside at one moment.

use std::collections::HashSet;

use commensal_sys::{Pid, Tid};

use crate::proc::{self, Status};
use crate::{Error, Result};

/// One task that was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The task.
    pub pid: Pid,
    /// Its threads; a zombie has its leader only.
    pub threads: Vec<Tid>,
    /// What `/proc/PID/status` said.
    pub status: Status,
}

/// Sees the root and all of its descendants, parents before children. While
/// the tree runs, a task that ends meanwhile is left out, and one that is born
/// meanwhile may be missed.
///
/// # Errors
///
/// [`Error::Gone`] when the root is.
pub fn walk(root: Pid) -> Result<Vec<Seen>> {
    let mut seen = vec![see(root)?];
    let mut known = HashSet::from([root]);
    let mut next = 0;
    while next < seen.len() {
        let parent = &seen[next];
        let mut born = Vec::new();
        for &tid in &parent.threads {
            born.extend(children(parent.pid, tid)?);
        }
        born.retain(|&pid| known.insert(pid));
        for pid in born {
            match see(pid) {
                Ok(child) => seen.push(child),
                Err(Error::Gone { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        next += 1;
    }
    Ok(seen)
}

fn see(pid: Pid) -> Result<Seen> {
    Ok(Seen {
        pid,
        threads: proc::threads(pid)?,
        status: Status::of_task(pid)?,
    })
}

/// The children of a thread; none where the task has ended meanwhile.
fn children(pid: Pid, tid: Tid) -> Result<Vec<Pid>> {
    match proc::children(pid, tid) {
        Err(Error::Gone { .. }) => Ok(Vec::new()),
        found => found,
    }
}
