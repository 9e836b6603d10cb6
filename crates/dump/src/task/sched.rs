//! How a thread is scheduled (sched(7)).

use commensal_images::messages::ThreadCoreEntry;
use commensal_sys::{Tid, sched};

use crate::{Error, Result};

/// `SCHED_FIFO` and `SCHED_RR` (linux/sched.h): the policies with a priority.
const REAL_TIME: [u32; 2] = [1, 2];

/// Or-ed into the policy (sched_setscheduler(2)).
const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;

/// Puts policy, priority and nice value into the thread's image.
///
/// # Errors
///
/// When the thread is gone.
pub fn fill(core: &mut ThreadCoreEntry, tid: Tid) -> Result<()> {
    let policy = sched::policy(tid)?;
    core.sched_policy = Some(policy);
    if REAL_TIME.contains(&(policy & !SCHED_RESET_ON_FORK)) {
        core.sched_prio = Some(sched::priority(tid)? as u32);
    }
    core.sched_nice = Some(nice(tid)?);
    Ok(())
}

/// The nice value, from -20 to 19, which real-time threads have as well.
fn nice(tid: Tid) -> Result<i32> {
    let id = rustix::process::Pid::from_raw(tid.get());
    rustix::process::getpriority_process(id)
        .map_err(|errno| Error::Sys(commensal_sys::Error::new("getpriority", tid.get(), errno)))
}
