//! Forks all the time: children that fork in turn, end, and are waited for.

use commensal_tests::victim::raw::fork;
use commensal_tests::victim::{Rounds, check, fault};
use rustix::process::{Pid, WaitOptions, waitpid};

fn main() {
    let mut rounds = Rounds::default();
    loop {
        for turn in 0..10 {
            family(turn);
        }
        rounds.done();
    }
}

/// A child with a child of its own; both end with the turn as their status.
fn family(turn: i32) {
    let Some(child) = fork() else {
        match fork() {
            None => std::process::exit(turn),
            Some(grandchild) => {
                check(
                    status_of(grandchild) == Some(turn),
                    "a grandchild ended otherwise",
                );
                std::process::exit(turn)
            }
        }
    };
    check(status_of(child) == Some(turn), "a child ended otherwise");
}

fn status_of(pid: i32) -> Option<i32> {
    match waitpid(Pid::from_raw(pid), WaitOptions::empty()) {
        Ok(found) => found?.1.exit_status(),
        Err(errno) => fault(&format!("waitpid: {errno}")),
    }
}
