//! How a thread is scheduled (sched(7)).

use commensal_images::messages::ThreadCoreEntry;
use commensal_sys::{Tid, sched};

use crate::{Error, Place, Refusal, Result};

/// `SCHED_FIFO` and `SCHED_RR` (linux/sched.h): the policies with a priority.
const REAL_TIME: [u32; 2] = [1, 2];

/// The policies that a restore sets: these and `SCHED_OTHER`, `SCHED_BATCH`, `SCHED_IDLE`.
const KNOWN: [u32; 5] = [0, 1, 2, 3, 5];

/// Or-ed into the policy (sched_setscheduler(2)).
const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;

/// Puts policy, priority and nice value into the thread's image.
///
/// # Errors
///
/// Refused where the restore knows no such policy; when the thread is gone.
pub fn fill(core: &mut ThreadCoreEntry, tid: Tid) -> Result<()> {
    let policy = sched::policy(tid)?;
    if let Some(refusal) = against(tid, policy) {
        return Err(refusal.into());
    }
    core.sched_policy = Some(policy);
    if REAL_TIME.contains(&(policy & !SCHED_RESET_ON_FORK)) {
        core.sched_prio = Some(sched::priority(Some(tid))? as u32);
    }
    core.sched_nice = Some(nice(tid)?);
    Ok(())
}

/// What is refused of a thread, as far as it is still there.
pub fn check(tid: Tid) -> Option<Refusal> {
    against(tid, sched::policy(tid).ok()?)
}

/// What stands against a policy of a thread.
fn against(tid: Tid, policy: u32) -> Option<Refusal> {
    let policy = policy & !SCHED_RESET_ON_FORK;
    (!KNOWN.contains(&policy)).then(|| Refusal {
        what: match policy {
            6 => "scheduled by deadlines (SCHED_DEADLINE)".into(),
            7 => "scheduled by a BPF program (SCHED_EXT)".into(),
            other => format!("scheduled by policy {other}"),
        },
        place: Place::Thread { tid },
        reason:
            "the images have no place for the parameters of the policy, and the restore fails on it"
                .into(),
        remedy: "give it another policy before the dump: chrt --other --pid 0 TID".into(),
    })
}

/// The nice value, from -20 to 19, which real-time threads have as well.
fn nice(tid: Tid) -> Result<i32> {
    let id = rustix::process::Pid::from_raw(tid.get());
    rustix::process::getpriority_process(id)
        .map_err(|errno| Error::Sys(commensal_sys::Error::new("getpriority", tid.get(), errno)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_that_a_restore_does_not_know_are_refused() {
        let tid = Tid::new(1).unwrap();
        let refused = |policy| against(tid, policy).is_some();
        let policies = [0, 1, 2, 3, 5, 2 | SCHED_RESET_ON_FORK];
        assert!(!policies.into_iter().any(refused));
        assert!([6, 7, 6 | SCHED_RESET_ON_FORK].into_iter().all(refused));
    }
}
