//! Stopping a tree by the freezer of its control group: no task of it is born meanwhile.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use commensal_seized::{Asked, Error as SeizedError, Seized};
use commensal_sys::Pid;

use super::namespaces::own_pid;
use crate::cgroup::Freezer;
use crate::proc::{self, Stat};
use crate::{Cancel, Place, Refusal, Result};

/// The tasks of a control group, all of them held.
#[derive(Debug)]
pub struct Group {
    freezer: Freezer,
    /// The tasks that nobody has taken.
    tasks: HashMap<Pid, Seized>,
}

impl Group {
    /// Freezes the group, asks its tasks to stop, thaws it, and waits for them. Those that are stopped
    /// already are left to be stopped like the tasks of any other tree.
    ///
    /// # Errors
    ///
    /// Refused where we are in the group ourselves; where the group does not freeze or a task of
    /// it cannot be held. All is as it was then.
    pub fn stop(dir: &Path, timeout: Option<Duration>, cancel: &Cancel) -> Result<Self> {
        /// What CRIU waits where it has no limit.
        const UNLIMITED: Duration = Duration::from_secs(10);
        let mut freezer = Freezer::open(dir)?;
        if freezer.tasks()?.contains(&own_pid()) {
            return Err(ourselves(dir).into());
        }
        let mut stopped = freezer.tasks()?;
        stopped.retain(is_stopped);
        freezer.freeze(timeout.unwrap_or(UNLIMITED), cancel)?;
        let mut asked = Vec::new();
        for pid in freezer.tasks()? {
            // The kernel would keep us waiting until it is thawed. It has no children meanwhile.
            if stopped.contains(&pid) || is_stopped(&pid) {
                continue;
            }
            match Asked::ask(pid) {
                Ok(task) => asked.push(task),
                Err(SeizedError::Gone(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        freezer.thaw()?;
        let mut tasks = HashMap::new();
        for task in asked {
            let pid = task.pid();
            match task.wait() {
                Ok(task) => {
                    tasks.insert(pid, task);
                }
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { freezer, tasks })
    }

    /// Gives a held task away.
    pub fn take(&mut self, pid: Pid) -> Option<Seized> {
        self.tasks.remove(&pid)
    }

    /// The tasks that are held and were not taken.
    pub fn left(&self) -> impl Iterator<Item = Pid> {
        self.tasks.keys().copied()
    }

    /// Lets the tasks that are left go. A group that was frozen before is frozen again, unless
    /// those that were taken are to be `killed`: a frozen task does not die.
    pub fn let_go(mut self, killed: bool) {
        if killed {
            self.freezer.keep();
        }
    }
}

/// Whether a task was stopped by a signal, also if it was frozen after that: to attach to it then takes
/// until it is thawed (`ptrace_attach`, kernel/ptrace.c).
fn is_stopped(pid: &Pid) -> bool {
    Stat::read(*pid).is_ok_and(|stat| stat.state == b'T')
        || proc::read(*pid, "wchan").is_ok_and(|place| place == b"do_signal_stop")
}

fn ourselves(dir: &Path) -> Refusal {
    Refusal {
        what: format!("the dumper, in the control group {}", dir.display()),
        place: Place::Task { pid: own_pid() },
        reason: "it would freeze with the group, and could not thaw it".into(),
        remedy: "move the dumper to another group, or name a group that only the tree is in".into(),
    }
}
