//! The dumper is killed at a sample of its system call stops; `cargo xtask sweep` takes all.
//! About 15 seconds.

use std::process::Command;

use commensal_tests::harness::{paths, process};
use commensal_tests::sweep::{Subject, Sweep};
use rustix::process::Signal;

fn assert_harmless(child: Option<&str>, modes: &[&str], first: usize, step: usize) {
    let sweep = Sweep {
        target: &|| Subject::start(child, modes),
        dumper: &|target| {
            let mut command = Command::new(paths::victim("sweep-chain"));
            command.args(target.pids().iter().map(u32::to_string));
            command
        },
        first,
        step,
        signal: Signal::KILL,
    };
    let outcome = sweep.run();
    assert!(outcome.is_clean(), "{outcome}");
}

#[test]
fn a_task_that_computes_survives_its_dumper() {
    assert_harmless(None, &["spin"], 5, 31);
}

#[test]
fn a_task_that_sleeps_survives_its_dumper() {
    assert_harmless(None, &["nap"], 7, 29);
}

#[test]
fn no_restartable_sequence_is_continued_half_done() {
    assert_harmless(None, &["rseq"], 2, 23);
}

/// Its filter applies again when the dumper dies.
#[test]
fn a_task_under_a_seccomp_filter_survives_its_dumper() {
    assert_harmless(None, &["lean"], 9, 37);
}

/// It would not survive a SIGSTOP in a timed call either; a dumper that lives puts that right.
#[test]
fn a_filter_without_restart_syscall_is_no_trouble() {
    let subject = Subject::start(None, &["no-restart"]);
    for _ in 0..40 {
        let mut chain = Command::new(paths::victim("sweep-chain"));
        let status = chain.arg(subject.pid().to_string()).status();
        assert!(status.expect("the dumper starts").success());
        subject.check().unwrap_or_else(|harm| panic!("{harm:?}"));
    }
}

#[test]
fn four_threads_survive_their_dumper() {
    assert_harmless(None, &["mixed", "spin", "poll", "futex"], 11, 97);
}

#[test]
fn two_tasks_survive_their_dumper() {
    assert_harmless(Some("nap"), &["mixed"], 3, 89);
}

/// A sweep that could not see harm would prove nothing.
#[test]
fn a_stopped_and_a_dead_target_are_told() {
    let subject = Subject::start(None, &["nap"]);
    process::signal(subject.pid(), Signal::STOP);
    assert_eq!(subject.check().unwrap_err().kind, "stuck");
    process::signal(subject.pid(), Signal::KILL);
    assert_eq!(subject.check().unwrap_err().kind, "dead");
}
