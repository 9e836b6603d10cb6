//! Letting the tasks of a tree go.

use std::time::{Duration, Instant};

use commensal_cured::Cured;
use commensal_sys::Pid;

use crate::net::Connections;
use crate::proc::{Stat, threads};
use crate::tree::Group;
use crate::{Result, Then};

/// A tree of which everything has been collected.
pub struct Standing {
    /// Its tasks, parents before children.
    pub tasks: Vec<Cured>,
    /// The control group whose freezer kept new ones from appearing.
    pub group: Option<Group>,
    /// Its TCP connections.
    pub connections: Connections,
    /// Whether it has a network namespace of its own.
    pub own_network: bool,
    /// Whether it has a pid namespace of its own.
    pub own_pids: bool,
}

impl Standing {
    /// Lets the tasks go, and their connections with them; `run_id` is the inventory's.
    ///
    /// # Errors
    ///
    /// For the first that could not be let go.
    pub fn let_go(self, then: Then, run_id: &str) -> Result<()> {
        // Before its tasks are: they must not run on where the group was frozen.
        if let Some(group) = self.group {
            group.let_go(then == Then::Kill);
        }
        let (tasks, own_pids) = (self.tasks, self.own_pids);
        self.connections.let_go(then, run_id, self.own_network, || {
            let_go(tasks, then, own_pids)
        })
    }
}

/// Lets all tasks go. A task that was killed meanwhile is no error; one that
/// cannot be let go does not keep the others.
///
/// Children go first, so that no parent sees a child held; but to be killed
/// they go last, so that no parent hears of it; except where the root is the init of its pid
/// namespace, which ends after all others in it (pid_namespaces(7)).
fn let_go(mut tasks: Vec<Cured>, then: Then, own_pids: bool) -> Result<()> {
    if then != Then::Kill || own_pids {
        tasks.reverse();
    }
    let mut first_error = Ok(());
    let mut stopping = Vec::new();
    for task in tasks {
        let (pid, was_stopped) = (task.pid(), task.task().stop_signal().is_some());
        let gone = match then {
            Then::Resume => {
                let gone = task.resume();
                if was_stopped {
                    wait_for_stop(&[pid]);
                }
                gone
            }
            Then::Stop => {
                stopping.push(pid);
                task.leave_stopped()
            }
            Then::Kill => task.kill(),
        };
        if let Err(error) = gone
            && !error.is_gone()
            && first_error.is_ok()
        {
            first_error = Err(error.into());
        }
    }
    wait_for_stop(&stopping);
    first_error
}

/// A task that is to be stopped stops as soon as it is scheduled. Its parent, which is let go
/// next, must not find it running, nor must who waits for the end of the dump.
fn wait_for_stop(tasks: &[Pid]) {
    const LONGEST: Duration = Duration::from_secs(1);
    let started = Instant::now();
    for task in tasks {
        while !is_stopped(*task) && started.elapsed() < LONGEST {
            std::thread::yield_now();
        }
    }
}

/// Whether no thread of a task runs on; there is none in one that has ended.
fn is_stopped(task: Pid) -> bool {
    let stands = |tid: Pid| Stat::read(tid).is_ok_and(|stat| matches!(stat.state, b'T' | b'Z'));
    let Ok(threads) = threads(task) else {
        return true;
    };
    let pids = threads.into_iter().filter_map(|tid| Pid::new(tid.get()));
    pids.into_iter().all(stands)
}
