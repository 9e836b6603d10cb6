//! Real programs of the system in a container: pid, mount and network namespaces of their own.

use std::path::Path;
use std::process::{Command, Stdio};

use commensal_tests::harness::{Dumper, Program, Target, Then, paths, process};
use commensal_tests::{judge_or_skip, machine_or_skip, need_or_skip};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

const DUMP: &[&str] = &["--tcp-established", "--file-locks"];
/// A root directory, for the restore to bind: the victim's has the files of the system's.
const RESTORE: &[&str] = &["--tcp-established", "--file-locks", "--root", "/"];

fn container() -> Program {
    Program::script("sh", "box.sh").restless()
}

/// The container's first task, as we see it: below the shell, and unshare(1), which waits for it.
fn first_task(target: &Target) -> u32 {
    process::tree(target.pid())[2]
}

fn runs(program: &str) -> bool {
    let version = Command::new(program)
        .arg(if program == "ip" { "-V" } else { "--version" })
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Making the namespaces takes root, and the container the programs.
fn possible() -> bool {
    let programs = ["ip", "nft", "redis-server", "sqlite3", "bash", "unshare"];
    rustix::process::geteuid().is_root() && programs.into_iter().all(runs)
}

/// Whether the victim, its programs and its directory are on the mount that is the root directory:
/// the container has no other.
fn are_on_root_mount() -> bool {
    let mount = |path: &Path| {
        let stat = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID);
        stat.map(|stat| stat.stx_mnt_id).ok()
    };
    let root = mount(Path::new("/"));
    let here = [paths::script("box.py"), std::env::temp_dir()];
    root.is_some() && here.iter().all(|path| mount(path) == root)
}

#[test]
fn programs_in_a_container_come_back() {
    let judge = judge_or_skip!();
    need_or_skip!(
        possible(),
        "it needs root, ip, nft, redis-server and sqlite3"
    );
    machine_or_skip!(are_on_root_mount(), "the tests are on a mount of their own");
    let target = Target::spawn_for_restore(&container());
    let images = target.images_dir("images");
    let dump = Dumper::chosen().run(first_task(&target), &images, Then::Kill, DUMP);
    assert!(dump.is_ok(), "{dump:?}");
    let _restored = judge
        .restore_namespace(&images, RESTORE)
        .expect("the judge restores it");
    target.wait_rounds(5);
}

#[test]
fn programs_in_a_container_go_on_through_five_dumps() {
    need_or_skip!(
        possible(),
        "it needs root, ip, nft, redis-server and sqlite3"
    );
    machine_or_skip!(are_on_root_mount(), "the tests are on a mount of their own");
    let target = Target::spawn(&container());
    for turn in 0..5 {
        let images = target.images_dir(&format!("images-{turn}"));
        let dump = Dumper::chosen().run(first_task(&target), &images, Then::Resume, DUMP);
        assert!(dump.is_ok(), "{dump:?}");
        target.wait_rounds(2);
    }
}
