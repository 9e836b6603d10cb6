//! Objects of the kernel behind descriptors: they live on after a restore with stock CRIU and
//! through dumps with resume, or are refused by name.

use std::path::Path;
use std::process::Command;

use commensal_tests::harness::{
    Dumper, Program, Target, Then, assert_loss_is_told, assert_refused, assert_resumes_with,
    assert_survives,
};
use commensal_tests::{judge_or_skip, machine_or_skip};

/// A kind of `tests/programs/objects.py`.
fn objects(kind: &str) -> Program {
    Program::script("python3", "objects.py")
        .arg(kind)
        .restless()
}

/// Through a restore, and through five dumps with resume.
fn lives_through(kind: &str) {
    assert_resumes_with(&objects(kind), 5, &[]);
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&objects(kind));
    assert_survives(judge, &target, &[], &[]);
}

#[test]
fn a_periodic_timer_that_nobody_reads_ticks_on() {
    lives_through("ticking");
}

#[test]
fn a_mark_on_a_file_system() {
    lives_through("file-system");
}

#[test]
fn a_mark_that_ignores_with_flags_of_their_own() {
    lives_through("newer-ignore");
}

/// Without CAP_DAC_READ_SEARCH no watch can be opened by its handle, so its name is looked for.
#[test]
fn watches_without_the_right_to_open_handles() {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&objects("watches"));
    let images = target.images_dir("images");
    let dump = Dumper::chosen().command(target.pid(), &images, Then::Kill);
    let dumped = Command::new("setpriv")
        .args(["--bounding-set", "-dac_read_search"])
        .arg(dump.get_program())
        .args(dump.get_args())
        .output()
        .expect("setpriv starts");
    let message = String::from_utf8_lossy(&dumped.stderr);
    assert!(dumped.status.success(), "the dump failed: {message}");
    target.wait_gone();
    let restored = judge.restore_with(&images, &[]);
    let _restored = restored.unwrap_or_else(|error| panic!("{error}"));
    target.wait_rounds(3);
}

#[test]
fn namespaces_of_the_tree() {
    lives_through("namespaces");
}

#[test]
fn a_pipe_in_packet_mode() {
    lives_through("packets");
}

#[test]
fn an_epoll_target_whose_number_is_gone() {
    lives_through("lost-number");
}

#[test]
fn a_file_that_signals_the_leader_of_a_task() {
    lives_through("leader-owner");
}

#[test]
fn what_a_restore_would_lose_is_refused_by_name() {
    for (kind, name) in [
        ("semaphore", "an eventfd that counts as a semaphore"),
        (
            "no-write-execute",
            "a task that gives itself no memory both writable and executable",
        ),
        (
            "deleted-socket",
            "an O_PATH descriptor of the deleted socket",
        ),
        ("thread-entry", "/status\", of a thread"),
        ("link", "a watch on the symbolic link"),
        ("exclusive", "a terminal in exclusive mode (TIOCEXCL)"),
        ("alarm", "a timerfd of clock 9"),
        ("thread-owner", "a file whose signals go to thread"),
        (
            "unread-packets",
            "a pipe in packet mode (O_DIRECT) with packets unread",
        ),
    ] {
        assert_refused(&objects(kind), &[], name);
    }
}

#[test]
fn a_loss_can_be_accepted_and_is_told_once() {
    for (kind, name) in [
        ("semaphore", "an eventfd that counts as a semaphore"),
        ("thread-owner", "a file whose signals go to thread"),
        ("no-write-execute", "a task that gives itself no memory"),
    ] {
        let target = Target::spawn(&objects(kind));
        assert_loss_is_told(&target, target.pid(), name);
    }
}

#[test]
fn what_the_images_have_no_place_for_is_told() {
    for (kind, name) in [
        ("one-event", "had their one event (EPOLLONESHOT)"),
        ("notify", "watches of a directory (F_NOTIFY)"),
        ("lost-option", "options of the socket: IP_MULTICAST_TTL"),
        ("memory-errors", "(PR_MCE_KILL) is not restored"),
    ] {
        let target = Target::spawn(&objects(kind));
        assert_loss_is_told(&target, target.pid(), name);
    }
}

#[test]
fn busy_polling_of_an_epoll_instance_is_told() {
    machine_or_skip!(
        Path::new("/proc/sys/net/core/busy_poll").exists(),
        "the kernel does not poll busily"
    );
    let target = Target::spawn(&objects("busy-poll"));
    assert_loss_is_told(&target, target.pid(), "(EPIOCSPARAMS)");
}
