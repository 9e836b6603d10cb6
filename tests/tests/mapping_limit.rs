//! A task that can have no further mapping: the parasite gets in, but no memory to answer in.

use commensal_tests::harness::{Program, assert_refused};

#[test]
fn a_task_at_the_limit_of_mappings_is_left_as_it_was() {
    let program = Program::script("python3", "many_mappings.py");
    assert_refused(&program, &["--no-bpf"], "vm.max_map_count");
}
