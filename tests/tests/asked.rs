//! Sockets whose dump has to be asked for, an option at a time: what it leaves out is closed after
//! a restore with stock CRIU, and after a dump with resume it is not.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use commensal_tests::harness::{Dumper, Program, Target, Then, assert_refused, looks_complete};
use commensal_tests::judge::Judge;
use commensal_tests::judge_or_skip;

/// How long the victim may take to find out what has become of its connections.
const PATIENCE: Duration = Duration::from_secs(60);

fn asked(kind: &str) -> Program {
    Program::script("python3", "sockets/asked.py")
        .arg(kind)
        .restless()
}

/// Dumps with `options`, to kill, restores with `options`, and waits until `done`.
fn restored_until(judge: &Judge, target: &Target, options: &[&str], done: impl Fn() -> bool) {
    let images = target.images_dir("images");
    let dumped = Dumper::chosen().run(target.pid(), &images, Then::Kill, options);
    dumped.unwrap_or_else(|failure| panic!("the dump failed: {}", failure.message));
    let restored = judge.restore_with(&images, options);
    let _restored = restored.unwrap_or_else(|error| panic!("{error}"));
    target.wait_rounds(3);
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(
            Instant::now() < end,
            "it has not come to what was asked for"
        );
        target.wait_rounds(1);
    }
}

/// A dump with resume leaves the connections as they are.
fn resumes_open(target: &Target, options: &[&str]) {
    let images = target.images_dir("resumed");
    let dumped = Dumper::chosen().run(target.pid(), &images, Then::Resume, options);
    dumped.unwrap_or_else(|failure| panic!("the dump failed: {}", failure.message));
    assert!(looks_complete(&images));
    target.wait_rounds(5);
    let closed = target.dir().join("closed");
    assert!(!closed.exists(), "the dump has closed a connection");
}

#[test]
fn tcp_close() {
    let options = ["--tcp-close"];
    assert_refused(&asked("tcp-close"), &[], "a connected TCP socket");
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&asked("tcp-close"));
    resumes_open(&target, &options);
    let closed = target.dir().join("closed");
    restored_until(judge, &target, &options, || closed.exists());
}

#[test]
fn skip_in_flight() {
    let name = "a listening TCP socket with 1 connections in flight";
    assert_refused(&asked("skip-in-flight"), &["--tcp-established"], name);
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&asked("skip-in-flight"));
    let options = ["--skip-in-flight", "--tcp-established"];
    resumes_open(&target, &options);
    let closed = target.dir().join("closed");
    restored_until(judge, &target, &options, || closed.exists());
}

/// The socket outside gets datagrams before and after.
#[test]
fn ext_unix_sk() {
    let outside = tempfile::tempdir().expect("a directory");
    let path = outside.path().join("outside");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let got = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&got);
    std::thread::spawn(move || {
        while let Ok(3) = socket.recv(&mut [0; 16]) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let program = asked("ext-unix-sk").arg(&path);
    let name = "a unix socket connected to one outside of the tree";
    assert_refused(&program, &[], name);

    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&program);
    // Counted from the first look on, which is after the restore.
    let first = std::cell::OnceCell::new();
    restored_until(judge, &target, &["--ext-unix-sk"], || {
        let count = got.load(Ordering::Relaxed);
        count > *first.get_or_init(|| count)
    });
}
