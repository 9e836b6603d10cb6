//! What belongs to a task as a whole, in the image of its leader.

use commensal_abi::{PosixTimer, TaskInfo};
use commensal_images::messages::{CoreEntry, March, RlimitEntry, TaskCoreEntry, TaskRlimitsEntry};
use commensal_seized::Seized;
use commensal_seized::later;
use commensal_sys::Pid;

use super::misc::Plain;
use super::thread::pending;
use super::{signals, timers};
use crate::Result;
use crate::pidns::{Pids, VirtualId};
use crate::proc::{Stat, Status};
use crate::userns::{Uid, Users};

/// The states of a task in the image (CRIU's `TASK_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum State {
    Alive = 1,
    Dead = 2,
    Stopped = 3,
}

/// The signal by which the task is stopped, or would be as soon as it ran, by what its threads'
/// `statuses` say.
pub fn stop_signal(task: &Seized, statuses: &[Status]) -> Option<i32> {
    const SIGSTOP: u64 = 1 << (signals::SIGSTOP - 1);
    let pending = |status: &Status| (status.pending | status.shared_pending) & SIGSTOP != 0;
    let about_to = || statuses.iter().any(pending).then_some(signals::SIGSTOP);
    task.stop_signal().or_else(about_to)
}

/// A task as it is seen from outside.
#[derive(Clone, Debug)]
pub struct Outside {
    pid: Pid,
    core: TaskCoreEntry,
    plain: Plain,
}

impl Outside {
    /// Collects a held task, with the `status` of its leader, and what it has `plain` files for.
    ///
    /// # Errors
    ///
    /// When the task is gone, or does not let itself be read.
    pub fn collect(
        task: &Seized,
        (stat, status, plain): (&Stat, &Status, Plain),
        blocked: u64,
        stop_signal: Option<i32>,
    ) -> Result<Self> {
        let pid = task.pid();
        let state = match stop_signal {
            Some(_) => State::Stopped,
            None => State::Alive,
        };
        let core = TaskCoreEntry {
            task_state: state as u32,
            personality: plain.personality,
            flags: stat.flags,
            blk_sigset: blocked,
            comm: stat.comm.clone(),
            signals_s: Some(signals::queue(
                &pending(&task.threads()[0], status, true)?,
                stop_signal.is_some(),
            )),
            oom_score_adj: Some(plain.oom_score_adj),
            stop_signo: stop_signal.map(|signal| signal as u32),
            ..TaskCoreEntry::default()
        };
        Ok(Self { pid, core, plain })
    }

    /// With ids as the tree has them: of threads that timers tell, 0 for one that is not of the
    /// tree; and of the login user, who is lost where the tree has no id for them.
    pub fn in_namespace(mut self, pids: &Pids, users: &Users) -> Self {
        /// No user is logged in.
        const UNSET: u32 = u32::MAX;
        self.core.loginuid = self.plain.login_uid.map(|uid| match users.uid(uid) {
            Ok(uid) => uid,
            Err(_) if uid == Uid::told(UNSET) => UNSET,
            Err(unmapped) => {
                let pid = self.pid;
                later(move || {
                    tracing::warn!(
                        "task {pid}: that {unmapped} logged in is lost, the tree has no id for them"
                    )
                });
                UNSET
            }
        });
        for timer in &mut self.plain.timers {
            let known = |tid| pids.find(tid).unwrap_or(VirtualId::NONE);
            timer.thread = timer.thread.map(|tid| known(tid).for_image() as i32);
        }
        self
    }

    /// The image, with what the task says of itself.
    ///
    /// # Errors
    ///
    /// When the task's timers are not those that /proc lists.
    pub fn complete(mut self, inside: &TaskInfo, posix: &[PosixTimer]) -> Result<TaskCoreEntry> {
        let entry = timers::entry(self.pid, &inside.itimers, &self.plain.timers, posix)?;
        self.core.timers = Some(entry);
        self.core.rlimits = Some(rlimits(inside));
        self.core.sigactions = signals::actions(&inside.sigactions);
        self.core.child_subreaper = Some(inside.child_subreaper != 0);
        self.core.membarrier_registration_mask =
            (inside.membarrier > 0).then_some(inside.membarrier as u32);
        Ok(self.core)
    }
}

fn rlimits(inside: &TaskInfo) -> TaskRlimitsEntry {
    let limits = inside.rlimits.iter().map(|limit| RlimitEntry {
        cur: limit.cur,
        max: limit.max,
    });
    TaskRlimitsEntry {
        rlimits: limits.collect(),
    }
}

/// The image of a task that has ended and that its parent has not waited for.
pub fn zombie(stat: &Stat) -> CoreEntry {
    CoreEntry {
        mtype: March::X8664.into(),
        tc: Some(TaskCoreEntry {
            task_state: State::Dead as u32,
            exit_code: stat.exit_code as u32,
            comm: stat.comm.clone(),
            ..TaskCoreEntry::default()
        }),
        ..CoreEntry::default()
    }
}
