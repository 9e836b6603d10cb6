//! Descriptors: dump, kill, restore with stock CRIU, and dump with resume. The victims check the
//! contents of what they have open in every round.

use commensal_tests::harness::{
    Dumper, Program, Target, Terminals, Then, assert_survives, assert_unchanged,
};
use commensal_tests::judge_or_skip;

/// What a tree with locks and renamed files is dumped with.
const FILES: &[&str] = &["--file-locks", "--link-remap"];

fn round_trip(victim: &str, dump: &[&str], restore: &[&str]) {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&Program::victim(victim));
    assert_survives(judge, &target, dump, restore);
}

/// Five dumps in a row, after each of which the victim goes on and looks the same.
fn resumes(victim: &str, dump: &[&str]) {
    let target = Target::spawn(&Program::victim(victim));
    let before = target.look();
    for turn in 0..5 {
        let images = target.images_dir(&format!("images-{turn}"));
        if let Err(failure) = Dumper::chosen().run(target.pid(), &images, Then::Resume, dump) {
            panic!(
                "dump {turn} failed ({:?}): {}",
                failure.code, failure.message
            );
        }
        target.wait_rounds(2);
        assert_unchanged(before.as_ref(), target.look().as_ref(), "the target");
    }
}

#[test]
fn files_open_deleted_renamed_and_locked() {
    round_trip("victim-files", FILES, &["--file-locks"]);
}

#[test]
fn files_resume() {
    resumes("victim-files", FILES);
}

#[test]
fn events() {
    round_trip("victim-events", &[], &[]);
}

#[test]
fn events_resume() {
    resumes("victim-events", &[]);
}

#[test]
fn terminals() {
    let _terminals = Terminals::take();
    round_trip("victim-terminal", &[], &[]);
}

#[test]
fn terminals_resume() {
    let _terminals = Terminals::take();
    resumes("victim-terminal", &[]);
}
