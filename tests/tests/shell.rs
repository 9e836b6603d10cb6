//! bash in a pty, with somebody who types: dumped ten times in a row, and killed and restored.

use commensal_tests::harness::{Program, Target, Terminals, assert_resumes_with, assert_survives};
use commensal_tests::judge_or_skip;

fn shell() -> Program {
    Program::script("python3", "shell.py").restless()
}

#[test]
fn bash_in_a_pty_goes_on_through_ten_dumps() {
    let _terminals = Terminals::take();
    assert_resumes_with(&shell(), 10, &[]);
}

#[test]
fn bash_in_a_pty_goes_on_after_a_restore() {
    let judge = judge_or_skip!();
    let _terminals = Terminals::take();
    let target = Target::spawn_for_restore(&shell());
    assert_survives(judge, &target, &[], &[]);
}
