//! State of a thread that CRIU's images have no place for, or that a restore
//! does not bring back: the user is told, or it is refused.

use std::fs;
use std::os::unix::fs::MetadataExt;

use commensal_abi::TaskInfo;
use commensal_seized::later;
use commensal_sys::{Pid, Tid, sched};
use rustix::thread::{CpuSet, sched_getaffinity};

use super::misc;
use crate::{Place, Refusal, Result};

/// What a thread may be woken up late that has not asked for another precision
/// (prctl(2), PR_SET_TIMERSLACK), in nanoseconds. Real-time threads have none.
const TIMER_SLACK: [u64; 2] = [50_000, 0];

/// Warns of what the thread `tid` of `pid` would not have after a restore.
///
/// # Errors
///
/// When the thread is gone.
pub fn warn(pid: Pid, tid: Tid) -> Result<()> {
    let priority = sched::io_priority(tid)?;
    if priority != 0 {
        tracing::warn!("the I/O priority {priority:#x} of thread {tid} is not restored");
    }
    if let Some(slack) = timer_slack(tid).filter(|slack| !TIMER_SLACK.contains(slack)) {
        tracing::warn!("the timer slack of thread {tid}, {slack} ns, is not restored");
    }
    if affinity(Some(tid)).is_some_and(|cpus| Some(cpus) != affinity(None)) {
        tracing::warn!(
            "thread {tid} may run on other processors than the dumper: it gets those of the restore"
        );
    }
    if tid != pid.leader() && network(pid, tid) != network(pid, pid.leader()) {
        tracing::warn!(
            "thread {tid} is in another network namespace than its task {pid}: it gets that one"
        );
    }
    if tid == pid.leader() {
        let personality = misc::personality(pid)?;
        if personality != 0 {
            tracing::warn!("the personality {personality:#x} of task {pid} is not restored");
        }
    }
    Ok(())
}

/// Refuses what only the task `pid` itself tells and the images have no place for; warns of it
/// instead where the caller accepts the loss (`Options::accept_loss`).
///
/// # Errors
///
/// The refusal.
pub fn check(pid: Pid, inside: &TaskInfo, accepted: bool) -> Result<()> {
    // A negated errno on a kernel without it.
    if inside.mdwe <= 0 {
        return Ok(());
    }
    let what = "a task that gives itself no memory both writable and executable (PR_SET_MDWE)";
    let reason = "the images have no place for that, and the restored task may have such memory";
    if accepted {
        later(move || tracing::warn!("task {pid}: {what}: {reason}"));
        return Ok(());
    }
    Err(Refusal {
        what: what.into(),
        place: Place::Task { pid },
        reason: reason.into(),
        remedy: "accept the loss: --accept-loss".into(),
    }
    .into())
}

/// The inode of a thread's network namespace; `None` where we may not know.
fn network(pid: Pid, tid: Tid) -> Option<u64> {
    let namespace = fs::metadata(format!("/proc/{pid}/task/{tid}/ns/net"));
    Some(namespace.ok()?.ino())
}

/// `None` where we may not know.
fn timer_slack(tid: Tid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{tid}/timerslack_ns")).ok()?;
    text.trim().parse().ok()
}

/// The processors that a thread, or ours, may run on (sched_setaffinity(2)).
fn affinity(tid: Option<Tid>) -> Option<CpuSet> {
    let pid = match tid {
        Some(tid) => Some(rustix::process::Pid::from_raw(tid.get())?),
        None => None,
    };
    sched_getaffinity(pid).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_thread_has_what_it_has() {
        let own = Tid::new(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        assert_eq!(affinity(Some(own)), affinity(None));
        assert!(affinity(None).unwrap().count() > 0);
        assert!(timer_slack(own).is_some());
    }
}
