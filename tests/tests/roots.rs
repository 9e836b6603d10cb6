//! Tasks whose root directory is another than ours: chroot(2).

use commensal_tests::harness::{Program, assert_refused, assert_resumes, assert_round_trip};
use commensal_tests::{judge_or_skip, need_or_skip};

fn shut_in() -> Program {
    Program::script("python3", "chroot.py").restless()
}

fn possible() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn tasks_shut_in_by_chroot_round_trip() {
    need_or_skip!(possible(), "chroot(2) needs root");
    let judge = judge_or_skip!();
    assert_round_trip(judge, &shut_in());
}

#[test]
fn tasks_shut_in_by_chroot_resume() {
    need_or_skip!(possible(), "chroot(2) needs root");
    assert_resumes(&shut_in(), 3);
}

/// A restore makes mount namespaces only where the root has one of its own.
#[test]
fn a_child_alone_in_a_mount_namespace_is_refused() {
    need_or_skip!(possible(), "chroot(2) needs root");
    let name = "in another mnt namespace than the root of the tree";
    assert_refused(&shut_in().arg("unshared"), &[], name);
}

#[test]
fn a_first_task_of_a_mount_namespace_that_is_shut_in_is_refused() {
    need_or_skip!(possible(), "chroot(2) needs root");
    let name = "pivot_root(2) instead of chroot(2)";
    assert_refused(&shut_in().arg("own"), &[], name);
}

/// The restore would bind it to a path of ours.
#[test]
fn a_socket_with_an_absolute_path_in_there_is_refused() {
    need_or_skip!(possible(), "chroot(2) needs root");
    assert_refused(
        &shut_in().arg("absolute"),
        &[],
        "a root directory that chroot(2) made",
    );
}
