//! A tree whose root is the first task of a pid namespace, as in a container.

use commensal_tests::harness::{Dumper, Program, Target, Then, process};
use commensal_tests::judge_or_skip;

const LOCKS: &[&str] = &["--file-locks"];

/// The only child of the victim: the first task of the namespace, as we see it.
fn first_task(target: &Target) -> u32 {
    process::tree(target.pid())[1]
}

#[test]
fn a_pid_namespace_round_trips() {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&Program::script("python3", "pids.py"));
    let images = target.images_dir("images");
    let dump = Dumper::chosen().run(first_task(&target), &images, Then::Kill, LOCKS);
    assert!(dump.is_ok(), "{dump:?}");
    judge.decode_all(&images).expect("crit reads the images");
    let _restored = judge
        .restore_namespace(&images, LOCKS)
        .expect("the judge restores it");
    target.wait_rounds(3);
}

#[test]
fn a_pid_namespace_resumes() {
    let target = Target::spawn(&Program::script("python3", "pids.py"));
    for turn in ["first", "second", "third"] {
        let images = target.images_dir(turn);
        let dump = Dumper::chosen().run(first_task(&target), &images, Then::Resume, LOCKS);
        assert!(dump.is_ok(), "{dump:?}");
        target.wait_rounds(2);
    }
}
