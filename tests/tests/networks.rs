//! A tree whose tasks live in several network namespaces of its own. Each test is in one of its own,
//! too: what leads there goes with it.

use std::collections::HashSet;
use std::fs;
use std::process::{Command, Stdio};

use commensal_sys::namespace::unshare_network;
use commensal_tests::harness::{Dumper, Program, Target, Then, assert_refused, process};
use commensal_tests::{judge_or_skip, machine_or_skip, need_or_skip};

const TCP: &[&str] = &["--tcp-established"];

fn several(more: &[&str]) -> Program {
    let script = Program::script("python3", "networks.py").restless();
    more.iter().fold(script, |script, word| script.arg(word))
}

/// Making namespaces takes root, and saving one the programs that look into it. From here on this
/// thread, and what it starts, is in a new one, with the loopback interface that CRIU asks for.
fn possible() -> bool {
    let runs = |program: &str, arguments: &str| {
        let mut command = Command::new(program);
        command.args(arguments.split(' ')).stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    rustix::process::geteuid().is_root()
        && runs("nft", "-v")
        && unshare_network().is_ok()
        && runs("ip", "link set lo up")
}

/// Whether the kernel makes pairs of interfaces.
fn has_veth() -> bool {
    let ip = |arguments: &str| {
        let mut ip = Command::new("ip");
        ip.args(arguments.split(' ')).stderr(Stdio::null());
        ip.status().is_ok_and(|status| status.success())
    };
    ip("link add try0 type veth") && ip("link del try0")
}

/// How many network namespaces the tasks live in.
fn namespaces(target: &Target) -> usize {
    let tasks = process::tree(target.pid());
    let links = tasks.into_iter().map(|pid| {
        let link = fs::read_link(format!("/proc/{pid}/ns/net"));
        link.expect("a task")
    });
    links.collect::<HashSet<_>>().len()
}

#[test]
fn several_namespaces_come_back_twice() {
    let judge = judge_or_skip!();
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_veth(), "the kernel has no veth");
    let target = Target::spawn_for_restore(&several(&[]));
    assert_eq!(namespaces(&target), 3);
    let mut restored = None;
    for name in ["first", "second"] {
        let images = target.images_dir(name);
        let dump = Dumper::chosen().run(target.pid(), &images, Then::Kill, TCP);
        assert!(dump.is_ok(), "{dump:?}");
        judge.decode_all(&images).expect("crit reads the images");
        drop(restored.take());
        let tree = judge.restore_with(&images, TCP);
        restored = Some(tree.expect("the judge restores it"));
        target.wait_rounds(3);
        assert_eq!(namespaces(&target), 3);
    }
}

#[test]
fn several_namespaces_are_left_as_they_are() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_veth(), "the kernel has no veth");
    let target = Target::spawn(&several(&[]));
    for turn in ["first", "second", "third"] {
        let images = target.images_dir(turn);
        let dump = Dumper::chosen().run(target.pid(), &images, Then::Resume, TCP);
        assert!(dump.is_ok(), "{dump:?}");
        target.wait_rounds(2);
    }
}

/// The restore makes namespaces only where all tasks live in those of the tree.
#[test]
fn a_task_in_our_namespace_is_refused_by_name() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_veth(), "the kernel has no veth");
    for odd in ["outer", "inner"] {
        let name = "in another net namespace than the root of the tree";
        assert_refused(&several(&[odd]), TCP, name);
    }
}

#[test]
fn ends_of_one_name_that_lead_outside_are_refused_by_name() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_veth(), "the kernel has no veth");
    let name = "in a network namespace with twin, whose other end is outside";
    assert_refused(&several(&["ambiguous"]), TCP, name);
}

/// Nobody lives in it any more, and the restore makes none for a socket alone.
#[test]
fn a_socket_of_a_namespace_without_tasks_is_refused_by_name() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_veth(), "the kernel has no veth");
    assert_refused(
        &several(&["empty"]),
        TCP,
        "a socket of another network namespace",
    );
}
