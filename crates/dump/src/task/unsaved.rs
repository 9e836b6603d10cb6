//! State of a thread that CRIU's images have no place for, or that a restore
//! does not bring back: the user is told, or it is refused.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use commensal_abi::TaskInfo;
use commensal_seized::later;
use commensal_sys::{Pid, Tid, sched};
use rustix::thread::{CpuSet, sched_getaffinity};

use super::misc;
use crate::proc::Status;
use crate::tree::namespaces::own_pid;
use crate::{Place, Refusal, Result, proc};

/// What a thread may be woken up late that has not asked for another precision
/// (prctl(2), PR_SET_TIMERSLACK), in nanoseconds. Real-time threads have none.
const TIMER_SLACK: [u64; 2] = [50_000, 0];

/// `PF_MCE_PROCESS` (include/linux/sched.h), in `/proc/PID/stat`.
const PF_MCE_PROCESS: u32 = 0x80;

/// What the thread `tid` of `pid`, whose leader has this status, would not have after a restore, for people.
///
/// # Errors
///
/// When the thread is gone.
pub fn losses(pid: Pid, tid: Tid, status: &Status) -> Result<Vec<String>> {
    let mut losses = Vec::new();
    let priority = sched::io_priority(tid)?;
    if priority != 0 {
        losses.push(format!(
            "the I/O priority {priority:#x} of thread {tid} is not restored"
        ));
    }
    if let Some(slack) = timer_slack(tid).filter(|slack| !TIMER_SLACK.contains(slack)) {
        losses.push(format!(
            "the timer slack of thread {tid}, {slack} ns, is not restored"
        ));
    }
    if affinity(Some(tid)).is_some_and(|cpus| Some(cpus) != affinity(None)) {
        losses.push(format!(
            "thread {tid} may run on other processors than the dumper: it gets those of the restore"
        ));
    }
    if tid != pid.leader() && network(pid, tid) != network(pid, pid.leader()) {
        losses.push(format!(
            "thread {tid} is in another network namespace than its task {pid}: it gets that one"
        ));
    }
    if has_memory_error_policy(pid, tid) {
        losses.push(format!(
            "what thread {tid} does on memory errors (PR_MCE_KILL) is not restored"
        ));
    }
    if tid == pid.leader() {
        losses.extend(losses_of_task(pid, status)?);
    }
    Ok(losses)
}

/// The same of a task as a whole.
fn losses_of_task(pid: Pid, status: &Status) -> Result<Vec<String>> {
    let mut losses = Vec::new();
    let personality = misc::personality(pid)?;
    if personality != 0 {
        losses.push(format!(
            "the personality {personality:#x} of task {pid} is not restored"
        ));
    }
    if merges_memory(pid) {
        losses.push(format!(
            "that memory of task {pid} is merged (PR_SET_MEMORY_MERGE) is not restored"
        ));
    }
    let filter = core_filter(pid);
    if filter.is_some() && filter != core_filter(own_pid()) {
        losses.push(format!(
            "which memory of task {pid} goes into a core file (coredump_filter) is not restored: it gets \
             what the restore has"
        ));
    }
    static OURS: OnceLock<Vec<String>> = OnceLock::new();
    let own = || Status::of_task(own_pid()).unwrap_or_default();
    let ours = OURS.get_or_init(|| own().speculation);
    let speculation = status.speculation.iter();
    let others = speculation.filter(|line| !ours.contains(line));
    losses.extend(
        others
            .map(|line| format!("the speculation control of task {pid} ({line}) is not restored")),
    );
    Ok(losses)
}

/// Whether all memory of a task may be merged with that of others (prctl(2), PR_SET_MEMORY_MERGE;
/// told since Linux 6.6).
fn merges_memory(pid: Pid) -> bool {
    let text = proc::read(pid, "ksm_stat").unwrap_or_default();
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.any(|line| line == b"ksm_merge_any: yes")
}

/// Which memory goes into a core file (core(5)); `None` where we may not know.
fn core_filter(pid: Pid) -> Option<Vec<u8>> {
    proc::value(pid, "coredump_filter").ok()
}

/// Of what PR_GET_THP_DISABLE gives: huge pages are only where madvise(2) asked for them
/// (`PR_THP_DISABLE_EXCEPT_ADVISED`, since Linux 6.18).
const EXCEPT_ADVISED: u32 = 2;

/// Refuses what only the task `pid` itself tells and the images have no place for; warns of it
/// instead where the caller accepts the loss (`Options::accept_loss`), or it changes nothing but speed.
///
/// # Errors
///
/// The refusal.
pub fn check(pid: Pid, inside: &TaskInfo, accepted: bool) -> Result<()> {
    if inside.thp_disable & EXCEPT_ADVISED != 0 {
        later(move || {
            tracing::warn!(
                "task {pid} has transparent huge pages where madvise(2) asks for them; a restore \
                 gives it none at all"
            )
        });
    }
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

/// Whether a thread chose what becomes of it when its memory fails (prctl(2), PR_MCE_KILL).
fn has_memory_error_policy(pid: Pid, tid: Tid) -> bool {
    let stat = proc::Stat::read_from(pid, &format!("task/{tid}/stat"));
    stat.is_ok_and(|stat| stat.flags & PF_MCE_PROCESS != 0)
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

    #[test]
    fn what_a_task_sets_is_seen() {
        // Memory that goes into a core file, memory that is merged, speculation that is not done any more (force-disabled), and an
        // early signal on memory errors.
        let program = "import ctypes, os; libc = ctypes.CDLL(None); \
                       print(0x7f, file=open('/proc/self/coredump_filter', 'w')); \
                       print(libc.prctl(67, 1, 0, 0, 0), libc.prctl(53, 0, 8, 0, 0), \
                             libc.prctl(33, 1, 1, 0, 0), flush=True); \
                       os.read(0, 1)";
        let mut child = std::process::Command::new("python3")
            .args(["-c", program])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut said).unwrap();
        let pid = Pid::new(child.id() as i32).unwrap();
        let merges = merges_memory(pid);
        let speculates = Status::of_task(pid).unwrap().speculation;
        let chose = has_memory_error_policy(pid, pid.leader());
        let filter = core_filter(pid);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(filter.as_deref(), Some(&b"0000007f\n"[..]));
        let has: Vec<&str> = said.split_whitespace().collect();
        // Not every kernel merges, and not every processor speculates.
        assert_eq!(merges, has[0] == "0");
        assert!(chose && has[2] == "0");
        let forced = |lines: &[String]| lines.iter().any(|line| line.contains("force mitigated"));
        let ours = Status::of_task(own_pid()).unwrap().speculation;
        assert_eq!(forced(&speculates), forced(&ours) || has[1] == "0");
    }
}
