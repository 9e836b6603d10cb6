//! Five dumps in a row of a program that runs on: it sees nothing of them.

use commensal_tests::harness::{Program, assert_resumes};

const TIMES: usize = 5;

#[test]
fn one_sleeping_thread() {
    assert_resumes(&Program::victim("victim-sleep"), TIMES);
}

#[test]
fn memory_of_every_kind() {
    assert_resumes(&Program::victim("victim-memory"), TIMES);
}

#[test]
fn a_gibibyte_of_memory() {
    assert_resumes(&Program::victim("victim-memory").arg("1024"), TIMES);
}

#[test]
fn threads_at_work_and_in_every_wait() {
    assert_resumes(&Program::victim("victim-threads"), TIMES);
}

#[test]
fn a_tree_of_twenty_with_pipes_and_a_zombie() {
    assert_resumes(&Program::victim("victim-tree"), TIMES);
}

#[test]
fn python_with_threads_and_a_file() {
    assert_resumes(&Program::script("python3", "threads.py").restless(), TIMES);
}

#[test]
fn bash_with_a_pipeline() {
    assert_resumes(&Program::script("bash", "pipeline.sh").restless(), TIMES);
}

#[test]
fn perl() {
    assert_resumes(&Program::script("perl", "loop.pl").restless(), TIMES);
}
