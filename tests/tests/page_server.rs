//! Pages go to CRIU's page server, and come back from its images.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use commensal_images::{Image, PageSource, Pagemap};
use commensal_tests::harness::{Program, Target, looks_complete, paths};
use commensal_tests::judge::PageServer;
use commensal_tests::judge_or_skip;

fn victim() -> Target {
    Target::spawn_for_restore(&Program::victim("victim-memory").restless())
}

/// CRIU's command line, with the pages going to `port`.
fn criu(target: &Target, images: &Path, port: &str, arguments: &[&str]) -> Output {
    Command::new(paths::commensal())
        .arg("criu")
        .args(arguments)
        .args(["--no-default-config", "-t", &target.pid().to_string(), "-D"])
        .arg(images)
        .args(["--page-server", "--address", "127.0.0.1", "--port", port])
        .stdin(Stdio::null())
        .output()
        .expect("it starts")
}

fn assert_served(output: &Output, server: PageServer) {
    assert!(output.status.success(), "{output:?}");
    assert!(server.wait().success());
}

#[test]
fn a_dump_through_a_page_server_round_trips() {
    let judge = judge_or_skip!();
    let target = victim();
    let (images, pages) = (target.images_dir("images"), target.images_dir("pages"));
    let server = judge.page_server(&pages, &[]);
    let output = criu(&target, &images, &server.port(), &["dump"]);
    assert_served(&output, server);
    let pagemap = Image::Pagemap(target.pid().into()).file_name();
    assert!(!images.join(&pagemap).exists());
    for entry in std::fs::read_dir(&pages).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        std::fs::rename(entry.path(), images.join(&name)).expect("one file system");
    }
    assert!(images.join(&pagemap).exists());
    let restored = judge.restore(&images).expect("the judge restores it");
    target.wait_rounds(3);
    assert_eq!(restored.pid(), target.pid());
}

#[test]
fn a_chain_of_dumps_through_page_servers_round_trips() {
    let judge = judge_or_skip!();
    let target = victim();
    let (first, last) = (target.images_dir("first"), target.images_dir("last"));
    let server = judge.page_server(&first, &[]);
    let output = criu(&target, &first, &server.port(), &["pre-dump"]);
    assert_served(&output, server);
    let previous = ["--prev-images-dir", "../first"];
    let server = judge.page_server(&last, &previous);
    let arguments = [["dump"].as_slice(), &previous].concat();
    let output = criu(&target, &last, &server.port(), &arguments);
    assert_served(&output, server);
    let image = Image::Pagemap(target.pid().into());
    let file = std::fs::File::open(last.join(image.file_name())).expect("a pagemap");
    let runs = Pagemap::read(image, file).expect("a pagemap").runs;
    assert!(runs.iter().any(|run| run.source == PageSource::Parent));
    let restored = judge.restore(&last).expect("the judge restores it");
    target.wait_rounds(3);
    assert_eq!(restored.pid(), target.pid());
}

#[test]
fn a_server_that_is_not_there_is_told_of_and_nothing_is_touched() {
    let target = victim();
    let images = target.images_dir("images");
    // Nobody listens where only the kernel's own services may.
    let output = criu(&target, &images, "1", &["dump"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("page server"), "{message}");
    assert!(!looks_complete(&images));
    target.wait_rounds(2);
}
