//! Pre-copy: most memory is copied while the target writes to it, and what is restored is what
//! it had when it was stopped.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use commensal_images::{Image, PageSource, Pagemap};
use commensal_tests::harness::{
    Dumper, Program, Target, Then, assert_survives, looks_complete, paths, process, wait_for,
};
use commensal_tests::judge_or_skip;
use rustix::process::Signal;

const PRE_COPY: [&str; 1] = ["--pre-copy"];

fn churn() -> Program {
    Program::victim("victim-churn").restless()
}

/// Flags of smaps that tell of a registration with a userfaultfd.
fn registered(pid: u32) -> bool {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let flags = smaps
        .lines()
        .filter_map(|line| line.strip_prefix("VmFlags:"));
    flags
        .flat_map(str::split_whitespace)
        .any(|flag| matches!(flag, "um" | "uw" | "ui"))
}

/// What its descriptors lead to.
fn descriptors(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("the target lives");
    let link = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
    let links = entries.filter_map(|entry| link(entry.ok()?));
    links.map(|link| link.display().to_string()).collect()
}

fn assert_nothing_left(target: &Target) {
    for pid in process::tree(target.pid()) {
        assert!(!registered(pid), "{pid} is still registered");
    }
    let left = descriptors(target.pid());
    assert!(
        !left.iter().any(|link| link.contains("userfaultfd")),
        "{left:?}"
    );
}

#[test]
fn memory_that_changes_all_the_time_round_trips() {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&churn());
    assert_survives(judge, &target, &PRE_COPY, &[]);
}

/// It is not tracked, since it could not put away what that takes.
#[test]
fn a_stopped_task_round_trips() {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&churn());
    let pid = target.pid();
    process::signal(pid, Signal::STOP);
    let stopped = || process::stat(pid).is_some_and(|stat| stat.state == 'T');
    wait_for("the target to stop", || stopped().then_some(()));
    let images = target.images_dir("images");
    let dump = Dumper::Commensal
        .run(pid, &images, Then::Kill, &PRE_COPY)
        .unwrap_or_else(|failure| panic!("{}", failure.message));
    assert_eq!(dump.summary["pages_in_parent"], 0);
    let restored = judge.restore_with(&images, &[]);
    let _restored = restored.unwrap_or_else(|error| panic!("{error}"));
    assert!(stopped(), "it is stopped as before");
    process::signal(pid, Signal::CONT);
    target.wait_rounds(3);
}

/// What is written between the only round and the stop is everything that was ever written.
#[test]
fn one_round_is_enough_to_be_right() {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&churn().arg("1"));
    assert_survives(judge, &target, &["--pre-copy", "--rounds", "1"], &[]);
}

#[test]
fn memory_of_every_kind_round_trips() {
    let judge = judge_or_skip!();
    for victim in ["victim-memory", "victim-mappings", "victim-tree"] {
        let target = Target::spawn_for_restore(&Program::victim(victim).restless());
        assert_survives(judge, &target, &PRE_COPY, &[]);
    }
}

/// The pages that a pagemap leaves to the images before.
fn pages_in_parent(images: &Path, pid: u32) -> u64 {
    let image = Image::Pagemap(pid.into());
    let file = File::open(images.join(image.file_name())).expect("a pagemap");
    let pagemap = Pagemap::read(image, file).expect("a pagemap");
    let runs = pagemap.runs.iter();
    let in_parent = runs.filter(|run| run.source == PageSource::Parent);
    in_parent.map(|run| run.pages).sum()
}

#[test]
fn a_dump_after_crius_pre_dumps_round_trips() {
    a_chain_round_trips(&[]);
}

#[test]
fn a_chain_that_gives_space_back_round_trips() {
    a_chain_round_trips(&["--auto-dedup"]);
}

/// Bytes on disk of all pages in an image set, and their number in bytes.
fn size_of_pages(images: &Path) -> (u64, u64) {
    let files = fs::read_dir(images).expect("an image set");
    let pages = files.map(|file| file.expect("a file")).filter(|file| {
        let name = file.file_name();
        let image = name.to_str().and_then(Image::from_file_name);
        matches!(image, Some(Image::Pages(_)))
    });
    pages.fold((0, 0), |(on_disk, all), file| {
        let pages = file.metadata().expect("a pages image");
        (on_disk + pages.blocks() * 512, all + pages.len())
    })
}

fn a_chain_round_trips(arguments: &[&str]) {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&churn());
    let mut previous: Option<PathBuf> = None;
    for (command, name) in [
        ("pre-dump", "first"),
        ("pre-dump", "second"),
        ("dump", "last"),
    ] {
        let images = target.images_dir(name);
        let mut criu = Command::new(paths::commensal());
        criu.args(["criu", command, "--track-mem", "-t"])
            .arg(target.pid().to_string())
            .arg("-D")
            .arg(&images)
            .args(arguments);
        if let Some(previous) = &previous {
            criu.arg("--prev-images-dir").arg(previous);
        }
        let output = criu.output().expect("the dumper starts");
        assert!(output.status.success(), "{output:?}");
        if previous.is_some() {
            assert!(pages_in_parent(&images, target.pid()) > 100);
        }
        previous = Some(Path::new("..").join(name));
    }
    let (on_disk, all) = size_of_pages(&target.dir().join("first"));
    assert_eq!(on_disk < all, !arguments.is_empty(), "{on_disk} of {all}");
    let restored = judge.restore(&target.dir().join("last"));
    let _restored = restored.unwrap_or_else(|error| panic!("{error}"));
    target.wait_rounds(3);
}

#[test]
fn the_target_runs_on_and_keeps_nothing() {
    let target = Target::spawn(&churn());
    for turn in 0..3 {
        let images = target.images_dir(&format!("images-{turn}"));
        let dump = Dumper::Commensal
            .run(target.pid(), &images, Then::Resume, &PRE_COPY)
            .unwrap_or_else(|failure| panic!("{}", failure.message));
        assert!(looks_complete(&images));
        assert!(images.join("parent").is_symlink());
        let figure = |name: &str| dump.summary[name].as_u64().expect("a number");
        assert!(figure("rounds") > 0);
        // The memory that it only writes to is 6144 pages.
        assert!(figure("pages_in_parent") > 1000, "{}", dump.summary);
        assert_nothing_left(&target);
        target.wait_rounds(2);
    }
}

#[test]
fn a_dumper_killed_between_its_rounds_leaves_nothing() {
    let target = Target::spawn(&Program::victim("victim-memory").arg("64").restless());
    // On a busy machine a dump may be over before it is seen.
    let killed = (0..20).any(|turn| killed_between_its_rounds(&target, turn));
    assert!(killed, "every dump was over before it was seen");
    assert_nothing_left(&target);
    target.wait_rounds(2);
}

/// Whether the dumper of this turn was killed while the target's memory was registered.
fn killed_between_its_rounds(target: &Target, turn: u32) -> bool {
    let images = target.images_dir(&format!("images-{turn}"));
    let mut dumper = Dumper::Commensal
        .command(target.pid(), &images, Then::Resume)
        .args(PRE_COPY)
        .stdout(Stdio::null())
        .spawn()
        .expect("the dumper starts");
    let tracked = wait_for("a registration or the end", || {
        let registered = registered(target.pid());
        let ended = dumper.try_wait().expect("our child").is_some();
        (ended || registered).then_some(!ended)
    });
    dumper.kill().expect("our child");
    dumper.wait().expect("our child");
    tracked && !looks_complete(&images)
}
