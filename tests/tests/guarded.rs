//! Memory that the kernel guards, shares or may drop: it lives through a dump and a restore with stock CRIU,
//! or is refused by name.

use std::fs;

use commensal_tests::harness::{
    Program, Target, assert_loss_is_told, assert_refused, assert_resumes, assert_round_trip,
};
use commensal_tests::{judge_or_skip, machine_or_skip};

/// A kind of `tests/programs/guarded.py`.
fn guarded(kind: &str) -> Program {
    Program::script("python3", "guarded.py")
        .arg(kind)
        .restless()
}

/// Whether mmap(2) knows MAP_DROPPABLE, as kernels from 6.11 on do.
fn has_droppable() -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(['.', '-']).map_while(|n| n.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(6u32), Some(11u32))
}

#[test]
fn droppable_memory_round_trips() {
    machine_or_skip!(has_droppable(), "the kernel has no MAP_DROPPABLE");
    assert_resumes(&guarded("droppable"), 3);
    let judge = judge_or_skip!();
    assert_round_trip(judge, &guarded("droppable"));
}

#[test]
fn code_that_cannot_be_read_round_trips() {
    assert_resumes(&guarded("execute-only"), 3);
    let judge = judge_or_skip!();
    assert_round_trip(judge, &guarded("execute-only"));
}

/// A dump costs no memory: what a child shares with its parent since the fork stays shared.
#[test]
fn forked_memory_stays_shared() {
    assert_resumes(&guarded("forked"), 3);
    let judge = judge_or_skip!();
    assert_round_trip(judge, &guarded("forked"));
}

#[test]
fn memory_behind_protection_keys_is_refused_by_name_or_told_once() {
    let processor = fs::read_to_string("/proc/cpuinfo").expect("procfs is mounted");
    let has_keys = processor.split_whitespace().any(|flag| flag == "ospke");
    machine_or_skip!(has_keys, "the processor has no protection keys");
    assert_refused(&guarded("keys"), &[], "memory behind protection key");
    let target = Target::spawn(&guarded("keys"));
    assert_loss_is_told(&target, target.pid(), "is behind a protection key");
}
