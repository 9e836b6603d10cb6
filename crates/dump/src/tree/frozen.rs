//! A tree that stands still.

use commensal_seized::Seized;
use commensal_sys::{Pid, Tid};

use super::group::Group;

/// A tree that stands still.
#[derive(Debug)]
pub struct Frozen {
    /// Its tasks, parents before children, the root first.
    pub members: Vec<Member>,
    /// The control group by whose freezer the tree was stopped. Its other tasks stand still as
    /// long as this lives; then it freezes again, if it was frozen before.
    pub group: Option<Group>,
}

impl Frozen {
    /// The tree is killed when it is dumped: see [`Seized::doom`].
    pub fn doom(&mut self) {
        for member in &mut self.members {
            if let Body::Live(task) = &mut member.body {
                task.doom();
            }
        }
    }
}

/// One task of a tree that stands still.
#[derive(Debug)]
pub struct Member {
    /// The task.
    pub pid: Pid,
    /// Its parent; `None` of the root.
    pub parent: Option<Pid>,
    /// What there is of it.
    pub body: Body,
}

impl Member {
    /// The task and its threads; of one that has ended, itself.
    pub fn with_threads(&self) -> (Pid, Vec<Tid>) {
        let threads = match &self.body {
            Body::Live(task) => task.threads().iter().map(|thread| thread.tid()).collect(),
            Body::Zombie => vec![self.pid.leader()],
        };
        (self.pid, threads)
    }
}

/// What there is of a task.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all members are live ones"
)]
pub enum Body {
    /// A task whose threads are all held.
    Live(Seized),
    /// A task that has ended, and that its parent has not waited for.
    Zombie,
}
