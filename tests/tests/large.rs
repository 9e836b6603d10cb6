//! Tasks that are read in another way because they are large.

use commensal_tests::harness::{Program, assert_resumes, assert_round_trip};
use commensal_tests::judge_or_skip;

#[test]
fn many_descriptors_are_restored() {
    let judge = judge_or_skip!();
    assert_round_trip(judge, &program("many_descriptors.py"));
}

#[test]
fn many_descriptors_stay_as_they_are() {
    assert_resumes(&program("many_descriptors.py"), 3);
}

#[test]
fn many_threads_are_restored() {
    let judge = judge_or_skip!();
    assert_round_trip(judge, &program("many_threads.py"));
}

#[test]
fn many_threads_stay_as_they_are() {
    assert_resumes(&program("many_threads.py"), 3);
}

#[test]
fn many_tasks_are_restored() {
    let judge = judge_or_skip!();
    assert_round_trip(judge, &program("many_tasks.py"));
}

#[test]
fn many_tasks_stay_as_they_are() {
    assert_resumes(&program("many_tasks.py"), 3);
}

fn program(name: &str) -> Program {
    Program::script("python3", name).restless()
}
