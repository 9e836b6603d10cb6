//! Processes seen from outside, by pid.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use super::{reaper, wait_for};

/// The environment variable that marks a victim and its descendants, whatever session or parent
/// they get, restored ones included: it holds the victim's own directory.
pub const MARK: &str = "COMMENSAL_TEST_DIR";

/// The fields of `/proc/PID/stat` that the tests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// One letter: R, S, D, T, t, Z …
    pub state: char,
    /// Parent.
    pub parent: u32,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// Kernel flags (`PF_*`).
    pub flags: u32,
}

/// Read `/proc/PID/stat`; `None` when the task is gone.
pub fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything, so count from the last one.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        flags: number(6)?,
    })
}

/// Every pid on the system.
pub fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// `root` and all its descendants, parents first.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = all()
        .into_iter()
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found
}

/// Send a signal; a task that is gone already is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Kill a tree, and the rest of its root's session, and wait until all their pids are free.
pub fn kill_tree(root: u32) {
    kill_all("a killed tree", || {
        let mut members = tree(root);
        members.extend(
            all()
                .into_iter()
                .filter(|pid| stat(*pid).is_some_and(|stat| stat.session == root)),
        );
        members
    });
}

/// Kill what is [marked](MARK) with `dir`: orphans of a tree that started sessions of their own.
pub fn kill_marked(dir: &Path) {
    let mark = [MARK.as_bytes(), b"=", dir.as_os_str().as_bytes()].concat();
    kill_all("what a victim left", || {
        let mut marked = all();
        marked.retain(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|&byte| byte == 0)
                .any(|variable| variable == mark)
        });
        marked
    });
}

/// Kill all that `members` finds, until it finds none and all pids are free.
fn kill_all(what: &str, members: impl Fn() -> Vec<u32>) {
    let mut killed = Vec::new();
    wait_for(&format!("{what} to be gone"), || {
        for pid in members() {
            signal(pid, Signal::KILL);
            killed.push(pid);
        }
        killed.retain(|&pid| {
            reaper::reap(pid);
            stat(pid).is_some()
        });
        killed.is_empty().then_some(())
    });
}

/// Wait until a pid can be given to a new task.
pub fn wait_until_free(pid: u32) {
    wait_for(&format!("pid {pid} to be free"), || {
        reaper::reap(pid);
        (!PathBuf::from(format!("/proc/{pid}")).exists()).then_some(())
    });
}

/// A kernel thread, where this machine shows any (a container does not).
pub fn kernel_thread() -> Option<u32> {
    /// `include/linux/sched.h`
    const PF_KTHREAD: u32 = 0x0020_0000;
    all()
        .into_iter()
        .find(|pid| stat(*pid).is_some_and(|stat| stat.flags & PF_KTHREAD != 0))
}
