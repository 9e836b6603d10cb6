//! What a dump says about itself, and who may read it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use commensal_tests::harness::{Dumper, Program, Target, Then, process, wait_for};
use commensal_tests::{judge_or_skip, machine_or_skip};

#[test]
fn the_figures_are_true() {
    let judge = judge_or_skip!();
    let target = Target::spawn(&Program::victim("victim-threads"));
    let images = target.images_dir("images");
    let dump = Dumper::Commensal
        .run(target.pid(), &images, Then::Resume, &[])
        .expect("a dump");

    let figure = |name: &str| {
        dump.summary[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name} is a number"))
    };
    let threads = fs::read_dir(format!("/proc/{}/task", target.pid()))
        .expect("it lives")
        .count();
    assert_eq!(figure("tasks"), 1);
    assert_eq!(figure("threads"), threads as u64);
    assert!(0 < figure("frozen_us") && figure("frozen_us") <= figure("total_us"));

    let files = fs::read_dir(&images).expect("the images").flatten();
    let pages: u64 = files
        .filter(|file| file.file_name().to_string_lossy().starts_with("pages-"))
        .map(|file| file.metadata().expect("a file has a size").len() / 4096)
        .sum();
    assert_eq!(
        figure("pages_written") + figure("shared_pages_written"),
        pages
    );

    let stats = judge
        .decode(&images.join("stats-dump"))
        .expect("crit reads it");
    let stats = &stats["entries"][0]["dump"];
    for name in ["pages_written", "pages_scanned"] {
        assert_eq!(
            stats[name].as_u64(),
            Some(figure(name)),
            "{name} of stats-dump"
        );
    }
    // CRIU counts the time to freeze apart; both are rounded down.
    let time = |name: &str| stats[name].as_u64().expect("a time in microseconds");
    let frozen = time("freezing_time") + time("frozen_time");
    assert!(
        frozen.abs_diff(figure("frozen_us")) <= 1,
        "frozen for {frozen} us"
    );
}

/// What a dump cannot look at without taking it stays with a tree that lives on, and this is told.
#[test]
fn unread_data_of_a_terminal_is_told() {
    let target = Target::spawn(&Program::victim("victim-terminal"));
    for (images, then) in [("resumed", Then::Resume), ("stopped", Then::Stop)] {
        let images = target.images_dir(images);
        let mut dump = Dumper::Commensal.command(target.pid(), &images, then);
        let output = dump.output().expect("the dumper starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("17 unread bytes") && said.contains("--then kill"),
            "{said}"
        );
        let dump = Dumper::Commensal.outcome(&output).expect("a dump");
        assert_eq!(dump.summary["unread_terminals"], 1);
        if then == Then::Stop {
            process::signal(target.pid(), rustix::process::Signal::CONT);
        }
        target.wait_rounds(2);
    }
    let images = target.images_dir("killed");
    let dump = Dumper::Commensal
        .run(target.pid(), &images, Then::Kill, &[])
        .expect("a dump");
    assert_eq!(dump.summary["unread_terminals"], 0);
}

/// Who does not listen to what a dump says does not keep the tree from running.
#[test]
fn a_log_that_nobody_reads_does_not_hold_the_tree() {
    let target = Target::spawn(&Program::victim("victim-terminal"));
    let mut before = Dumper::Commensal.command(target.pid(), &target.images_dir("a"), Then::Resume);
    let before = before.output().expect("the dumper starts").stderr;
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    machine_or_skip!(lines == 1, "a dump here says something before the freeze");
    let images = target.images_dir("images");
    let (mut log, full) = std::io::pipe().expect("a pipe");
    let size = rustix::pipe::fcntl_getpipe_size(&full).expect("a pipe has a size");
    (&full)
        .write_all(&vec![b'.'; size])
        .expect("as much as it takes");
    let mut command = Dumper::Commensal.command(target.pid(), &images, Then::Resume);
    let dump = command.stdout(Stdio::null()).stderr(full).spawn();
    // With our end of the log.
    drop(command);
    let mut dump = dump.expect("the dumper starts");
    wait_for("the dump", || {
        images.join("inventory.img").exists().then_some(())
    });
    target.wait_rounds(2);
    assert!(
        dump.try_wait().expect("a child of ours").is_none(),
        "it has something to say"
    );
    let mut said = String::new();
    log.read_to_string(&mut said).expect("text");
    assert!(said.contains("17 unread bytes"), "{said}");
    assert!(dump.wait().expect("a child of ours").success());
}

#[test]
fn images_are_for_their_owner_only() {
    let target = Target::spawn(&Program::victim("victim-sleep"));
    let images = target.dir().join("images");
    Dumper::Commensal
        .run(target.pid(), &images, Then::Resume, &[])
        .expect("a dump");
    let mode = |path: &std::path::Path| {
        path.metadata()
            .expect("it was written")
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode(&images), 0o700);
    for file in fs::read_dir(&images).expect("the images").flatten() {
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn a_target_is_left_stopped_when_asked() {
    let target = Target::spawn(&Program::victim("victim-sleep"));
    let images = target.images_dir("images");
    Dumper::chosen()
        .run(target.pid(), &images, Then::Stop, &[])
        .expect("a dump");
    // It stops when it is next scheduled.
    wait_for("a stopped target", || {
        let stat = process::stat(target.pid()).expect("it lives");
        (stat.state == 'T').then_some(())
    });
    process::signal(target.pid(), rustix::process::Signal::CONT);
    target.wait_rounds(2);
}
