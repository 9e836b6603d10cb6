//! Dump, kill, restore with stock CRIU: the program goes on with its state right.

use commensal_tests::harness::{Program, assert_round_trip};
use commensal_tests::judge_or_skip;

fn round_trip(program: &Program) {
    let judge = judge_or_skip!();
    assert_round_trip(judge, program);
}

#[test]
fn one_sleeping_thread() {
    round_trip(&Program::victim("victim-sleep"));
}

#[test]
fn memory_of_every_kind() {
    round_trip(&Program::victim("victim-memory"));
}

#[test]
fn a_gibibyte_of_memory() {
    round_trip(&Program::victim("victim-memory").arg("1024"));
}

#[test]
fn threads_at_work_and_in_every_wait() {
    round_trip(&Program::victim("victim-threads"));
}

#[test]
fn a_tree_of_twenty_with_pipes_and_a_zombie() {
    round_trip(&Program::victim("victim-tree"));
}

#[test]
fn python_with_threads_and_a_file() {
    round_trip(&Program::script("python3", "threads.py").restless());
}

#[test]
fn bash_with_a_pipeline() {
    round_trip(&Program::script("bash", "pipeline.sh").restless());
}

#[test]
fn perl() {
    round_trip(&Program::script("perl", "loop.pl").restless());
}
