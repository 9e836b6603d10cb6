//! A dump as one stream: through a pipe into a directory, and back to life by stock CRIU.

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use commensal_tests::harness::{Program, Target, assert_unchanged, looks_complete, paths};
use commensal_tests::judge_or_skip;

/// `commensal dump --stream`, with its standard output in a pipe.
fn dump(target: &Target, arguments: &[&str]) -> Child {
    Command::new(paths::commensal())
        .args(["dump", &target.pid().to_string(), "--stream"])
        .args(arguments)
        .current_dir(target.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the dumper can be started")
}

/// The names of what is in the target's folder, where a dump could leave something.
fn left_behind(target: &Target) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(target.dir()).expect("the folder can be read");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    names
}

fn assert_success(output: &Output) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {message}", output.status);
}

/// Memory with checksums, through a pipe and `commensal extract`, and restored.
fn round_trip(arguments: &[&str]) {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&Program::victim("victim-memory").arg("64"));
    let before = left_behind(&target);
    let mut dump = dump(&target, &[arguments, &["--then", "kill"]].concat());
    let images = target.dir().join("images");
    let extract = Command::new(paths::commensal())
        .args(["extract", "--images-dir"])
        .arg(&images)
        .stdin(dump.stdout.take().expect("it is piped"))
        .output();
    assert_success(&dump.wait_with_output().expect("the dumper ends"));
    assert_success(&extract.expect("extract can be started"));

    let mut after = left_behind(&target);
    after.retain(|name| name != "images");
    assert_eq!(after, before, "the dump itself wrote no file");
    judge
        .decode_all(&images)
        .unwrap_or_else(|error| panic!("{error}"));
    let _restored = judge
        .restore(&images)
        .unwrap_or_else(|error| panic!("{error}"));
    target.wait_rounds(3);
}

#[test]
fn a_stream_is_restored() {
    round_trip(&[]);
}

#[test]
fn a_compressed_stream_is_restored() {
    round_trip(&["--compress", "lz4"]);
}

#[test]
fn a_stream_that_nobody_reads_harms_nobody() {
    let target = Target::spawn(&Program::victim("victim-memory").arg("64"));
    let before = target.look();
    let mut dump = dump(&target, &["--then", "kill"]);
    drop(dump.stdout.take());
    let output = dump.wait_with_output().expect("the dumper ends");
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("the image stream"), "{message}");
    target.wait_rounds(2);
    assert_unchanged(before.as_ref(), target.look().as_ref(), "the target");
}

#[test]
fn half_a_stream_is_no_image_set() {
    let target = Target::spawn(&Program::victim("victim-sleep"));
    let output = dump(&target, &[]).wait_with_output();
    let output = output.expect("the dumper ends");
    assert_success(&output);
    let half = target.dir().join("half");
    fs::write(&half, &output.stdout[..output.stdout.len() / 2]).expect("a file can be written");
    let images = target.dir().join("images");
    let extract = Command::new(paths::commensal())
        .args(["extract", "--images-dir"])
        .arg(&images)
        .stdin(fs::File::open(&half).expect("it was written"))
        .output()
        .expect("extract can be started");
    assert!(!extract.status.success());
    let message = String::from_utf8_lossy(&extract.stderr);
    assert!(message.contains("the stream ends too early"), "{message}");
    assert!(!looks_complete(&images));
}
