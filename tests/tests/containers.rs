//! A tree whose root is the first task of a pid namespace, as in a container, and of mount
//! namespaces.

use std::fs;
use std::process::{Command, Stdio};

use commensal_tests::harness::{Dumper, Program, Target, Then, process};
use commensal_tests::{judge_or_skip, machine_or_skip};
use serde_json::Value;

const LOCKS: &[&str] = &["--file-locks"];

/// The only child of the victim: the first task of the namespace, as we see it.
fn first_task(target: &Target) -> u32 {
    process::tree(target.pid())[1]
}

/// The ids of all threads, as the images have them.
fn ids_inside(tree: &Value) -> Vec<Value> {
    let tasks = tree["entries"].as_array().into_iter().flatten();
    let threads = tasks.flat_map(|task| task["threads"].as_array().cloned());
    threads.flatten().collect()
}

#[test]
fn a_pid_namespace_round_trips() {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&Program::script("python3", "pids.py"));
    let images = target.images_dir("images");
    let dump = Dumper::chosen().run(first_task(&target), &images, Then::Kill, LOCKS);
    assert!(dump.is_ok(), "{dump:?}");
    let decoded = judge.decode_all(&images).expect("crit reads the images");
    let ids = ids_inside(&decoded["pstree.img"]);
    let timers = &decoded["core-1.img"]["entries"][0]["tc"]["timers"];
    assert!(ids.contains(&timers["posix"][0]["notify_thread_id"]));
    let files = decoded["files.img"]["entries"].as_array();
    let pidfd = files
        .into_iter()
        .flatten()
        .find(|file| file["type"] == "PIDFD");
    assert!(ids.contains(&pidfd.expect("a pidfd")["pidfd"]["nspid"]));
    let _restored = judge
        .restore_namespace(&images, LOCKS)
        .expect("the judge restores it");
    target.wait_rounds(3);
}

#[test]
fn a_pid_namespace_resumes() {
    let target = Target::spawn(&Program::script("python3", "pids.py"));
    for turn in ["first", "second", "third"] {
        let images = target.images_dir(turn);
        let dump = Dumper::chosen().run(first_task(&target), &images, Then::Resume, LOCKS);
        assert!(dump.is_ok(), "{dump:?}");
        target.wait_rounds(2);
    }
}

/// A root directory, for the restore to bind: the victim's has the files of the system's.
const ROOT: &[&str] = &["--root", "/"];

fn container() -> Program {
    Program::script("python3", "container.py")
}

/// Children of its first task have more mount namespaces.
fn nested() -> Program {
    Program::script("python3", "nested.py").restless()
}

fn round_trips_twice(program: &Program, rounds: u64) {
    round_trips_twice_with(program, |target| target.wait_rounds(rounds));
}

/// With a look at the target after each restore.
fn round_trips_twice_with(program: &Program, look: impl Fn(&Target)) {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(program);
    let mut pid = first_task(&target);
    let mut restored = None;
    for name in ["first", "second"] {
        let images = target.images_dir(name);
        let dump = Dumper::chosen().run(pid, &images, Then::Kill, &[]);
        assert!(dump.is_ok(), "{dump:?}");
        judge.decode_all(&images).expect("crit reads the images");
        drop(restored.take());
        let tree = judge.restore_namespace(&images, ROOT);
        let tree = restored.insert(tree.expect("the judge restores it"));
        pid = tree.pid();
        look(&target);
    }
}

fn resumes(program: &Program, rounds: u64) {
    resumes_with(program, |target| target.wait_rounds(rounds));
}

/// With a look at the target after each dump.
fn resumes_with(program: &Program, look: impl Fn(&Target)) {
    let target = Target::spawn(program);
    for turn in ["first", "second", "third"] {
        let images = target.images_dir(turn);
        let dump = Dumper::chosen().run(first_task(&target), &images, Then::Resume, &[]);
        assert!(dump.is_ok(), "{dump:?}");
        look(&target);
    }
}

#[test]
fn a_container_round_trips_twice() {
    round_trips_twice(&container(), 3);
}

#[test]
fn a_container_resumes() {
    resumes(&container(), 2);
}

#[test]
fn nested_mount_namespaces_round_trip_twice() {
    round_trips_twice(&nested(), 20);
}

#[test]
fn nested_mount_namespaces_resume() {
    resumes(&nested(), 20);
}

/// An overlay, and those file systems of the kernel that can be mounted here.
fn layers() -> Program {
    let kinds = ["fusectl", "binfmt_misc", "securityfs", "debugfs"];
    let possible = kinds.into_iter().filter(|kind| can_mount(kind, ""));
    let program = Program::script("python3", "layers.py").restless();
    possible.fold(program, Program::arg)
}

/// Whether a file system can be mounted, with options in which `.` is a new directory.
fn can_mount(kind: &str, options: &str) -> bool {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let here = dir.path().display().to_string();
    let mounted = Command::new("unshare")
        .args(["--mount", "sh", "-ec"])
        .arg("cd \"$0\"; mkdir a b c d; mount -t \"$1\" -o \"rw$2\" none d")
        .args([here.as_str(), kind, &options.replace('.', &here)])
        .stderr(Stdio::null())
        .status();
    mounted.is_ok_and(|status| status.success())
}

fn can_overlay() -> bool {
    can_mount("overlay", ",lowerdir=./a,upperdir=./b,workdir=./c")
}

#[test]
fn an_overlay_round_trips_twice() {
    machine_or_skip!(can_overlay(), "an overlay of a temporary directory");
    round_trips_twice(&layers(), 5);
}

#[test]
fn an_overlay_resumes() {
    machine_or_skip!(can_overlay(), "an overlay of a temporary directory");
    resumes(&layers(), 5);
}

/// Its daemon is the first task, and told of requests when there is a file `ask`: while one is under way,
/// who made it sleeps uninterruptibly, and no dump begins.
fn automount() -> Program {
    Program::script("python3", "automount.py").restless()
}

fn has_autofs() -> bool {
    let known = fs::read_to_string("/proc/filesystems").expect("it is there");
    known.lines().any(|line| line.ends_with("\tautofs"))
}

fn ask(target: &Target) {
    fs::write(target.dir().join("ask"), "").expect("a file");
    target.wait_rounds(1);
}

#[test]
fn mounts_on_demand_round_trip_twice() {
    machine_or_skip!(has_autofs(), "a kernel with autofs");
    round_trips_twice_with(&automount(), ask);
}

#[test]
fn mounts_on_demand_resume() {
    machine_or_skip!(has_autofs(), "a kernel with autofs");
    resumes_with(&automount(), ask);
}

#[test]
fn mounts_on_demand_without_their_device_are_refused() {
    machine_or_skip!(has_autofs(), "a kernel with autofs");
    let target = Target::spawn(&automount().arg("without-device"));
    let images = target.images_dir("images");
    let refused = Dumper::Commensal
        .run(first_task(&target), &images, Then::Kill, &[])
        .expect_err("the restore would fail");
    assert!(refused.message.contains("/dev/autofs"), "{refused:?}");
    ask(&target);
}

/// To a dumper that lives in the mount namespace of the tree, too: nothing that it looks up is asked of
/// the daemon, which stands still.
#[test]
fn mounts_on_demand_are_not_asked_for() {
    machine_or_skip!(has_autofs(), "a kernel with autofs");
    let target = Target::spawn(&automount().arg("bare"));
    let images = target.images_dir("images");
    let dump = Dumper::Commensal.command(target.pid(), &images, Then::Resume);
    let dumped = Command::new("nsenter")
        .arg(format!("--mount=/proc/{}/ns/mnt", target.pid()))
        .arg("--")
        .arg(dump.get_program())
        .args(dump.get_args())
        .output()
        .expect("nsenter starts");
    let message = String::from_utf8_lossy(&dumped.stderr);
    assert!(dumped.status.success(), "the dump failed: {message}");
    ask(&target);
}

/// A name is of a mount point in the namespace of the root of the tree, and of no other.
#[test]
fn a_directory_from_outside_in_a_nested_namespace_is_refused() {
    let outside = tempfile::tempdir_in("/dev/shm").expect("a file system in memory");
    let target = Target::spawn(&nested().arg(outside.path()));
    let images = target.images_dir("images");
    let point = target.dir().join("outside-0");
    let external = format!("mnt[{}]:DATA", point.display());
    let given = ["--external", &external];
    let refused = Dumper::chosen()
        .run(first_task(&target), &images, Then::Kill, &given)
        .expect_err("it is from outside");
    assert!(refused.message.contains("/outside-0"), "{refused:?}");
    target.wait_rounds(2);
}

/// The contents of a mount that another one hides, and of one below which another is mounted, are
/// in the images; what lies over them is not.
#[test]
fn hidden_files_are_dumped() {
    let target = Target::spawn(&container());
    let images = target.images_dir("images");
    let dump = Dumper::chosen().run(first_task(&target), &images, Then::Resume, &[]);
    assert!(dump.is_ok(), "{dump:?}");
    let files = fs::read_dir(&images).expect("the images");
    let archives = files.map(|file| file.expect("an image").path());
    let listed = archives
        .filter(|path| path.to_string_lossy().ends_with(".tar.gz.img"))
        .map(|path| {
            let listed = Command::new("tar").arg("-tzf").arg(path).output();
            let listed = listed.expect("tar runs");
            assert!(listed.status.success(), "{listed:?}");
            String::from_utf8(listed.stdout).expect("names")
        });
    let listed: Vec<String> = listed.collect();
    let with = |name: &str| listed.iter().filter(|names| names.contains(name)).count();
    assert_eq!((with("hidden"), with("seen")), (1, 1), "{listed:?}");
    assert!(
        listed.iter().any(|names| names == "./\nhidden\n"),
        "{listed:?}"
    );
    assert!(
        listed.iter().any(|names| names == "./\ninner/\n"),
        "{listed:?}"
    );
}

/// A part of a file system that the tree does not see as a whole is refused by name, or given to
/// the restore.
#[test]
fn a_directory_from_outside_is_external() {
    let judge = judge_or_skip!();
    let outside = tempfile::tempdir_in("/dev/shm").expect("a file system in memory");
    let target = Target::spawn_for_restore(&container().arg(outside.path()));
    let images = target.images_dir("images");
    let refused = Dumper::chosen()
        .run(first_task(&target), &images, Then::Kill, &[])
        .expect_err("it is from outside");
    assert!(refused.message.contains("--external"), "{refused:?}");
    target.wait_rounds(2);

    let point = target.dir().join("outside-0");
    let external = format!("mnt[{}]:DATA", point.display());
    let dump = ["--external", &external];
    let dump = Dumper::chosen().run(first_task(&target), &images, Then::Kill, &dump);
    assert!(dump.is_ok(), "{dump:?}");
    let given = format!("mnt[DATA]:{}", outside.path().display());
    let restore = ["--root", "/", "--external", &given];
    let _restored = judge
        .restore_namespace(&images, &restore)
        .expect("the judge restores it");
    target.wait_rounds(3);
}
