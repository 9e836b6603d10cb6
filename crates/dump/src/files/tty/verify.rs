//! Whether a restore can put the terminals of a tree together again.

use super::super::FilesDump;
use super::driver::Driver;
use super::{Terminal, Terminals};
use crate::{Error, Refusal, Result};

const SHELL_JOB: &str = "dump it as a job of its shell: --shell-job";

/// Refuses terminals whose session or other side is outside of the tree, and `/dev/tty` where the
/// restore would not find the terminal behind it.
///
/// # Errors
///
/// All refusals at once.
pub fn verify(dump: &FilesDump<'_>) -> Result<()> {
    let terminals = &dump.terminals;
    let mut refusals = Vec::new();
    if !dump.options.shell_job {
        refusals.extend(
            terminals
                .seen
                .values()
                .filter_map(|one| foreign_session(one, dump)),
        );
    }
    // A master may be in flight: the dump itself will see it.
    if !dump.sockets.may_hold_more() {
        refusals.extend(lonely_slaves(terminals, dump.options.shell_job));
    }
    refusals.extend(
        terminals
            .seen
            .values()
            .filter_map(|one| unknown_terminal(one, terminals)),
    );
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(refusals))
    }
}

fn foreign_session(terminal: &Terminal, dump: &FilesDump<'_>) -> Option<Refusal> {
    let sid = |pid| dump.pids.task(pid).map(|id| id.for_image() as i32);
    let mut sids = dump.tasks.iter().copied().flat_map(sid);
    let in_tree = sids.any(|sid| sid == terminal.sid);
    (terminal.sid != 0 && !in_tree).then(|| Refusal {
        what: format!("the terminal of session {}", terminal.sid),
        place: terminal.place.clone(),
        reason: "the leader of that session is outside of the tree".into(),
        remedy: SHELL_JOB.into(),
    })
}

/// Slaves whose master nobody in the tree has. A job of a shell may have one, its shell's.
fn lonely_slaves(terminals: &Terminals<'_>, shell_job: bool) -> Vec<Refusal> {
    let lonely = terminals.seen.values().filter(|one| {
        let master = Driver::Master.id(one.index);
        one.driver == Driver::Slave
            && !one.hung_up
            && terminals
                .seen
                .get(&master)
                .is_none_or(|master| master.hung_up)
    });
    let allowed = usize::from(shell_job);
    let refusal = |one: &Terminal| Refusal {
        what: format!("pty {} whose master is outside of the tree", one.index),
        place: one.place.clone(),
        reason: if shell_job {
            "the restore has one terminal to give, and there is more than one such pty".into()
        } else {
            "the restore would have no terminal for it".into()
        },
        remedy: if shell_job {
            "close all but one of them".into()
        } else {
            SHELL_JOB.into()
        },
    };
    lonely.skip(allowed).map(refusal).collect()
}

/// The restore takes for `/dev/tty` a pty of the same session, in the same task, whose foreground
/// group is the session leader's.
fn unknown_terminal(terminal: &Terminal, terminals: &Terminals<'_>) -> Option<Refusal> {
    if terminal.driver != Driver::Controlling {
        return None;
    }
    let behind = terminals
        .seen
        .values()
        .find(|one| one.driver.is_pty() && one.sid == terminal.sid && one.pgrp == terminal.sid);
    let found = behind.is_some_and(|one| one.pid == terminal.pid);
    (!found).then(|| Refusal {
        what: "/dev/tty".into(),
        place: terminal.place.clone(),
        reason: "the task has no other descriptor of its terminal, whose foreground group is its \
                 session's, so the restore could not tell which terminal it is"
            .into(),
        remedy: "open the terminal by its own name".into(),
    })
}
