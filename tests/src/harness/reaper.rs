//! Orphans of a dumped or restored tree come to the test process, which collects them:
//! a pid stays taken until somebody does, and a container's init may not.

use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, wait, waitpid};

/// Become the parent of every orphan among our descendants.
pub fn adopt_orphans() {
    set_child_subreaper(Some(getpid())).expect("any process may become a subreaper");
}

/// Collect `pid` if it is a zombie and ours; otherwise nothing happens.
pub fn reap(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// Collect every child that has ended, whoever started it: for a program that waits for none elsewhere at the
/// same time.
pub fn reap_all() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}
