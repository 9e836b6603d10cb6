//! What cannot be dumped is refused with a clear message and a non-zero status, and the
//! target is as it was.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use commensal_tests::harness::{
    DumpFailure, Dumper, Program, Target, Then, assert_unchanged, looks_complete, paths, process,
};
use commensal_tests::{machine_or_skip, need_or_skip};
use common::{SmallDisk, Tracer};

/// Somebody who is not root.
const NOBODY: u32 = 65534;

/// Try to dump `pid`, which must fail with a message that holds each of `words`.
fn refuse(pid: u32, images: &Path, words: &[&str]) {
    let failure = Dumper::chosen()
        .run(pid, images, Then::Resume, &[])
        .expect_err("no dump");
    assert_refusal(&failure, images, words);
}

fn assert_refusal(failure: &DumpFailure, images: &Path, words: &[&str]) {
    assert!(
        !looks_complete(images),
        "nothing that looks like a dump remains"
    );
    if Dumper::chosen() == Dumper::Commensal {
        assert!(
            failure.code.is_some_and(|code| code != 0),
            "an exit status: {failure:?}"
        );
        // Without line breaks and the frame around them.
        let message = failure.message.to_lowercase().replace('│', " ");
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(
                message.contains(word),
                "{word:?} is not in: {}",
                failure.message
            );
        }
    }
}

/// What a failed dump leaves: a target that looks the same and goes on.
fn unharmed(target: &Target, attempt: impl FnOnce()) {
    let before = target.look();
    attempt();
    target.wait_rounds(2);
    assert_unchanged(before.as_ref(), target.look().as_ref(), "the target");
}

#[test]
fn no_such_pid() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Above the largest value that pid_max can have.
    refuse(
        1 << 23,
        &dir.path().join("images"),
        &["8388608", "no such process"],
    );
}

#[test]
fn a_kernel_thread() {
    let thread = process::kernel_thread();
    machine_or_skip!(thread.is_some(), "no kernel thread is visible here");
    let dir = tempfile::tempdir().expect("a temporary directory");
    refuse(
        thread.unwrap_or_default(),
        &dir.path().join("images"),
        &["kernel thread"],
    );
}

#[test]
fn itself() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let images = dir.path().join("images");
    let output = Command::new("sh")
        .args(["-c", "exec \"$0\" dump $$ --json --images-dir \"$1\""])
        .args([&paths::commensal(), &images])
        .output()
        .expect("sh starts");
    let failure = Dumper::Commensal.outcome(&output).expect_err("no dump");
    assert_refusal(&failure, &images, &["itself"]);
}

#[test]
fn one_of_its_ancestors() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    refuse(
        std::process::id(),
        &dir.path().join("images"),
        &["ancestor"],
    );
}

#[test]
fn a_task_that_is_traced_already() {
    let target = Target::spawn(&Program::victim("victim-sleep"));
    let tracer = Tracer::attach(target.pid());
    unharmed(&target, || {
        refuse(target.pid(), &target.images_dir("images"), &["traced"])
    });
    drop(tracer);
}

#[test]
fn a_task_of_another_user() {
    need_or_skip!(
        rustix::process::geteuid().is_root(),
        "only root can become another user"
    );
    let target = Target::spawn(&Program::victim("victim-sleep"));
    // Where the other user may read the program and write images.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let everybody = || fs::Permissions::from_mode(0o777);
    fs::set_permissions(dir.path(), everybody()).expect("own directory");
    let images = dir.path().join("images");
    let command = Dumper::chosen().command(target.pid(), &images, Then::Resume);
    let program = dir.path().join("dumper");
    fs::copy(command.get_program(), &program).expect("a copy of the program");
    fs::set_permissions(&program, everybody()).expect("own file");
    unharmed(&target, || {
        let mut other = Command::new(&program);
        let output = other
            .args(command.get_args())
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .expect("it starts");
        let failure = Dumper::chosen().outcome(&output).expect_err("no dump");
        assert_refusal(
            &failure,
            &images,
            &["out of our reach", "run as its user or as root"],
        );
    });
}

#[test]
fn an_images_directory_with_something_in_it() {
    let target = Target::spawn(&Program::victim("victim-sleep"));
    let images = target.images_dir("images");
    fs::write(images.join("precious"), "mine").expect("a file");
    unharmed(&target, || {
        refuse(target.pid(), &images, &["images", "empty"])
    });
    let left: Vec<_> = fs::read_dir(&images)
        .expect("it is there")
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "only what was there before: {left:?}");
    assert_eq!(
        fs::read_to_string(images.join("precious")).expect("still there"),
        "mine"
    );
}

#[test]
fn an_images_directory_that_cannot_be_written() {
    let target = Target::spawn(&Program::victim("victim-sleep"));
    // Not even root can make a directory here.
    unharmed(&target, || {
        refuse(target.pid(), Path::new("/proc/images"), &["/proc/images"])
    });
    let file = target.dir().join("log");
    unharmed(&target, || {
        refuse(target.pid(), &file, &["log", "directory"])
    });
}

#[test]
fn a_disk_that_fills_up() {
    let disk = SmallDisk::mount();
    machine_or_skip!(disk.is_some(), "a small file system cannot be mounted here");
    let disk = disk.expect("checked");
    let target = Target::spawn(&Program::victim("victim-memory"));
    let images = disk.path().join("images");
    unharmed(&target, || refuse(target.pid(), &images, &["no space"]));
}

/// A dump of something that changes under it: complete, or refused; never hung, never half.
fn dump_whatever_comes(target: &Target, turn: u32) -> bool {
    let images = target.images_dir(&format!("images-{turn}"));
    let result = Dumper::chosen().run(target.pid(), &images, Then::Resume, &[]);
    assert_eq!(
        result.is_ok(),
        looks_complete(&images),
        "turn {turn}: {result:?}"
    );
    result.is_ok()
}

#[test]
fn a_target_that_execs() {
    let target = Target::spawn(&Program::victim("victim-exec").restless());
    for turn in 0..10 {
        dump_whatever_comes(&target, turn);
        target.wait_rounds(2);
    }
}

#[test]
fn a_target_that_forks() {
    let target = Target::spawn(&Program::victim("victim-fork").restless());
    for turn in 0..10 {
        dump_whatever_comes(&target, turn);
        target.wait_rounds(2);
    }
}

#[test]
fn a_target_that_dies() {
    let mut killed_in_time = 0;
    for turn in 0..10 {
        let target = Target::spawn(&Program::victim("victim-memory").arg("64"));
        let images = target.images_dir("images");
        let mut dumper = common::start(target.pid(), &images);
        common::wait_for_progress(&mut dumper, &images, turn);
        process::signal(target.pid(), rustix::process::Signal::KILL);
        let output = dumper.wait_with_output().expect("it ends");
        match Dumper::chosen().outcome(&output) {
            Ok(_) => assert!(looks_complete(&images), "complete before the target died"),
            Err(failure) => {
                killed_in_time += 1;
                assert_refusal(&failure, &images, &[&target.pid().to_string()]);
            }
        }
    }
    assert!(
        killed_in_time > 0,
        "no target died before its dump was complete"
    );
}

fn interrupted_by(signal: rustix::process::Signal) {
    let target = Target::spawn(&Program::victim("victim-memory").arg("512"));
    let interrupted = (0..5).any(|turn| {
        let images = target.images_dir(&format!("images-{turn}"));
        let mut ended_early = false;
        unharmed(&target, || {
            let mut dumper = common::start(target.pid(), &images);
            common::wait_for_progress(&mut dumper, &images, 1 + turn);
            process::signal(dumper.id(), signal);
            let output = dumper.wait_with_output().expect("it ends");
            match Dumper::chosen().outcome(&output) {
                Ok(_) => assert!(looks_complete(&images), "complete before the signal"),
                Err(failure) => {
                    ended_early = true;
                    assert!(
                        !looks_complete(&images),
                        "an interrupted dump is not complete"
                    );
                    assert_eq!(
                        failure.code,
                        Some(128 + signal.as_raw()),
                        "{}",
                        failure.message
                    );
                }
            }
        });
        ended_early
    });
    assert!(interrupted, "every dump was complete before its signal");
}

#[test]
fn ctrl_c_during_the_dump() {
    interrupted_by(rustix::process::Signal::INT);
}

#[test]
fn sigterm_during_the_dump() {
    interrupted_by(rustix::process::Signal::TERM);
}
