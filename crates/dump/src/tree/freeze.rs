//! Stopping a whole tree: every task and thread, until no new one appears.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use commensal_seized::later;
use commensal_seized::{Candidate, Seized};
use commensal_sys::{Errno, Pid};

use super::frozen::{Body, Frozen, Member};
use super::group::Group;
use crate::proc::{self, Stat};
use crate::records::{Records, Threads};
use crate::{Error, Options, Place, Refusal, Result};

/// The tasks of a tree that is about to be stopped, each as it was looked at.
pub type Candidates = HashMap<Pid, Candidate>;

/// Looks at the tasks of a tree that runs, and for code in those that are not `told` of, and so entered. One
/// that is gone by now is left out.
///
/// # Errors
///
/// Where a thread sleeps uninterruptibly for too long.
pub fn candidates(
    pids: impl Iterator<Item = Pid>,
    told: impl Fn(Pid) -> bool,
) -> Result<Candidates> {
    let mut candidates = HashMap::new();
    for pid in pids {
        let looked = match told(pid) {
            true => Candidate::look_without_code(pid),
            false => Candidate::look(pid),
        };
        match looked {
            Ok(candidate) => drop(candidates.insert(pid, candidate)),
            Err(error) if error.is_gone() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(candidates)
}

/// Stops the tree of `root`; tasks that are not among `candidates` are looked at then. Dropping
/// the result lets it run on.
///
/// # Errors
///
/// When a task cannot be seized, the tree does not come to rest in
/// [`Options::timeout`], or the caller gives up; everything runs on then.
pub fn freeze(
    root: Pid,
    candidates: Candidates,
    records: &Records,
    options: &Options,
) -> Result<Frozen> {
    let Options {
        timeout, cancel, ..
    } = options;
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let group = options.freeze_cgroup.as_ref();
    let group = group.map(|dir| Group::stop(dir, *timeout, cancel));
    let mut freezer = Freezer {
        candidates,
        records,
        members: Vec::new(),
        known: HashSet::new(),
        group: group.transpose()?,
    };
    freezer.add(root, None)?;
    if freezer.members.is_empty() {
        return Err(Error::Gone { pid: root });
    }
    // A held task has no new children of its own, but orphans may be given to
    // it, and a child that was just being born is not held yet.
    while freezer.pass()? {
        cancel.check()?;
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            let error = commensal_sys::Error::new("PTRACE_SEIZE", root.get(), Errno::TIMEDOUT);
            return Err(error.into());
        }
    }
    if let Some(group) = &freezer.group {
        for pid in group.left() {
            later(
                move || tracing::warn!(%pid, "stopped with the tree's control group, and not dumped"),
            );
        }
    }
    Ok(Frozen {
        members: freezer.members,
        group: freezer.group,
    })
}

struct Freezer<'r> {
    candidates: Candidates,
    records: &'r Records,
    members: Vec<Member>,
    known: HashSet<Pid>,
    group: Option<Group>,
}

impl Freezer<'_> {
    /// Looks for children that are not held yet, and holds them; whether there
    /// were any.
    fn pass(&mut self) -> Result<bool> {
        let mut found = false;
        let mut next = 0;
        while next < self.members.len() {
            let parent = self.members[next].pid;
            for child in self.children(next)? {
                if !self.known.contains(&child) {
                    self.add(child, Some(parent))?;
                    found = true;
                }
            }
            next += 1;
        }
        Ok(found)
    }

    /// The children of all threads of a member.
    fn children(&self, member: usize) -> Result<Vec<Pid>> {
        let Member { pid, body, .. } = &self.members[member];
        let Body::Live(task) = body else {
            return Ok(Vec::new());
        };
        let leader = pid.leader();
        let mut children = proc::children(*pid, leader)?;
        // Records that are wrong about one thread are not believed of any.
        let are_right = |records: &Threads| records.is_childless(leader) == children.is_empty();
        let records = self.records.threads(*pid).filter(are_right);
        let is_childless = |tid| {
            let records = records.as_ref();
            records.is_some_and(|records| records.is_childless(tid))
        };
        let others = task.threads().iter().map(|thread| thread.tid());
        for tid in others.filter(|&tid| tid != leader && !is_childless(tid)) {
            children.extend(proc::children(*pid, tid)?);
        }
        Ok(children)
    }

    /// Holds a task, or notes that it is a zombie. One that is gone by now is
    /// passed over: whoever comes next with its id is another task.
    fn add(&mut self, pid: Pid, parent: Option<Pid>) -> Result<()> {
        let held = self.group.as_mut().and_then(|group| group.take(pid));
        let seized = match (held, self.candidates.remove(&pid)) {
            (Some(held), _) => Ok(held),
            (None, Some(candidate)) => candidate.seize(),
            (None, None) => Seized::seize(pid),
        };
        let body = match seized {
            Ok(task) => Body::Live(whole(task)?),
            Err(error) if error.is_gone() => match Stat::read(pid) {
                Ok(stat) if stat.state == b'Z' => Body::Zombie,
                _ => return Ok(()),
            },
            Err(error) => return Err(error.into()),
        };
        self.known.insert(pid);
        self.members.push(Member { pid, parent, body });
        Ok(())
    }
}

/// Refuses a task whose leader has exited: the image of the task is its
/// leader's.
fn whole(task: Seized) -> Result<Seized> {
    let pid = task.pid();
    match task.threads().first() {
        Some(first) if first.tid() == pid.leader() => Ok(task),
        _ => Err(Refusal {
            what: "a task whose leader has ended while other threads live".into(),
            place: Place::Task { pid },
            reason: "the image format has no place for it".into(),
            remedy: "none; dump it before its main thread calls pthread_exit(3)".into(),
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A shell with two children, one of which has ended.
    fn tree() -> (Child, Pid) {
        let mut shell = Command::new("sh")
            .args(["-c", "true & exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = shell.stdin.as_mut().unwrap();
        std::io::Write::write_all(stdin, b"ready\n").unwrap();
        // `cat` answers, so the shell has become it and never waits for `true`.
        let mut line = String::new();
        BufReader::new(shell.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let pid = Pid::new(shell.id() as i32).unwrap();
        while !has_zombie(pid) {
            std::thread::yield_now();
        }
        (shell, pid)
    }

    fn has_zombie(pid: Pid) -> bool {
        let children = proc::children(pid, pid.leader()).unwrap();
        children
            .iter()
            .any(|&child| Stat::read(child).is_ok_and(|stat| stat.state == b'Z'))
    }

    #[test]
    fn a_tree_is_stopped_with_its_zombies_and_let_go() {
        let (mut shell, pid) = tree();
        let frozen = freeze(
            pid,
            Candidates::new(),
            &Records::default(),
            &Options::new("."),
        )
        .unwrap();
        let held = Stat::read(pid).unwrap().state;
        let kinds: Vec<_> = frozen
            .members
            .iter()
            .map(|member| (member.parent, matches!(member.body, Body::Zombie)))
            .collect();
        drop(frozen);
        let tracer = proc::Status::of_task(pid).unwrap().tracer;
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(held, b't');
        assert_eq!(kinds, [(None, false), (Some(pid), true)]);
        assert_eq!(tracer, None);
    }

    #[test]
    fn a_task_that_is_not_there_is_gone() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = Pid::new(child.id() as i32).unwrap();
        child.wait().unwrap();
        let found = freeze(
            pid,
            Candidates::new(),
            &Records::default(),
            &Options::new("."),
        );
        assert!(matches!(found, Err(Error::Gone { .. })), "{found:?}");
    }
}
