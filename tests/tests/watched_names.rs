//! Watches of inotify that are saved by the names of what they watch (CRIU's irmap).

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use commensal_tests::harness::{Program, Target, looks_complete, paths};
use commensal_tests::judge_or_skip;

/// A victim that watches a file outside of all places where names are looked for unasked.
fn victim(place: &Path) -> Target {
    let file = place.join("watched");
    fs::write(&file, "").expect("a new file");
    Target::spawn_for_restore(&Program::script("python3", "watch.py").arg(&file))
}

/// Dumps without the right to open an inode by its handle, by which its name is found otherwise.
fn dump(target: &Target, images: &Path, arguments: &[&str]) -> Output {
    Command::new("setpriv")
        .arg("--bounding-set=-dac_read_search")
        .arg(paths::commensal())
        .args(["criu", "dump", "--no-default-config", "--force-irmap", "-t"])
        .arg(target.pid().to_string())
        .arg("-D")
        .arg(images)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it starts")
}

#[test]
fn a_watch_is_saved_by_the_name_that_is_found() {
    let judge = judge_or_skip!();
    let place = tempfile::tempdir().expect("a temporary directory");
    let target = victim(place.path());
    let images = target.images_dir("images");
    let scan = place.path().to_str().expect("a name of ours");
    let output = dump(&target, &images, &["--irmap-scan-path", scan]);
    assert!(output.status.success(), "{output:?}");
    let files = judge.decode_all(&images).expect("crit reads them")["files.img"].to_string();
    assert!(files.contains("/watched\""), "{files}");
    let restored = judge.restore(&images).expect("the judge restores it");
    target.wait_rounds(3);
    assert_eq!(restored.pid(), target.pid());
}

#[test]
fn a_watch_whose_name_is_not_found_is_refused() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let target = victim(place.path());
    let images = target.images_dir("images");
    let output = dump(&target, &images, &[]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("--irmap-scan-path"), "{message}");
    assert!(!looks_complete(&images));
    target.wait_rounds(2);
}
