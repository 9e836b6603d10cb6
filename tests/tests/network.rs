//! A tree in a network namespace of its own.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use commensal_tests::harness::{
    Dumper, Program, Target, Then, assert_refused, assert_resumes_with, assert_survives, paths,
};
use commensal_tests::{judge_or_skip, machine_or_skip, need_or_skip};
use serde_json::Value;

fn own_network() -> Program {
    Program::script("python3", "network.py").restless()
}

fn namespace(pid: impl std::fmt::Display) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/ns/net")).expect("a task")
}

/// Making a namespace takes root, and saving one the programs that look into it.
fn possible() -> bool {
    let runs = |program: &str, version: &str| {
        let mut command = Command::new(program);
        command.arg(version).stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    rustix::process::geteuid().is_root() && runs("ip", "-V") && runs("nft", "-v")
}

#[test]
fn a_namespace_comes_back_with_what_is_in_it() {
    let judge = judge_or_skip!();
    need_or_skip!(possible(), "it needs root, ip and nft");
    let target = Target::spawn_for_restore(&own_network());
    assert_ne!(namespace(target.pid()), namespace("self"));
    assert_survives(
        judge,
        &target,
        &["--tcp-established"],
        &["--tcp-established"],
    );
}

/// What its sockets are is known in the namespace only.
#[test]
fn a_dump_builds_on_a_pre_dump_of_it() {
    let judge = judge_or_skip!();
    need_or_skip!(possible(), "it needs root, ip and nft");
    let target = Target::spawn_for_restore(&own_network());
    for (command, name, more) in [
        ("pre-dump", "before", [].as_slice()),
        ("dump", "images", &["--prev-images-dir", "../before"]),
    ] {
        let mut criu = Command::new(paths::commensal());
        criu.args(["criu", command, "--track-mem", "--tcp-established", "-t"])
            .arg(target.pid().to_string())
            .arg("-D")
            .arg(target.images_dir(name))
            .args(more);
        let output = criu.output().expect("the dumper starts");
        assert!(output.status.success(), "{output:?}");
    }
    let images = target.dir().join("images");
    let restored = judge.restore_with(&images, &["--tcp-established"]);
    let _restored = restored.unwrap_or_else(|error| panic!("{error}"));
    target.wait_rounds(3);
}

/// It outlives the tree, as one that a container runtime has made and keeps.
#[test]
fn a_namespace_is_given_to_the_restore() {
    let judge = judge_or_skip!();
    need_or_skip!(possible(), "it needs root, ip and nft");
    let target = Target::spawn_for_restore(&own_network());
    let (before, images) = (namespace(target.pid()), target.images_dir("images"));
    let kept = fs::File::open(format!("/proc/{}/ns/net", target.pid())).expect("a task");
    let external = before.to_string_lossy().replace("net:", "net") + ":outer";
    let dump = ["--tcp-established", "--external", &external];
    let dump = Dumper::chosen().run(target.pid(), &images, Then::Kill, &dump);
    assert!(dump.is_ok(), "{dump:?}");
    target.wait_gone();
    let restore = ["--tcp-established", "--inherit-fd", "fd[0]:outer"];
    let _restored = judge
        .restore_given(&images, &restore, kept)
        .expect("the judge restores it");
    target.wait_rounds(3);
    assert_eq!(namespace(target.pid()), before);
}

#[test]
fn a_namespace_is_left_as_it_is() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    assert_resumes_with(&own_network(), 3, &["--tcp-established"]);
}

#[test]
fn an_interface_that_cannot_be_saved_is_refused_by_name() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    let target = Target::spawn(&own_network());
    let added = Command::new("nsenter")
        .args(["--net", "--target", &target.pid().to_string()])
        .args([
            "ip", "link", "add", "odd0", "type", "vxlan", "id", "7", "dstport", "4789",
        ])
        .status()
        .is_ok_and(|status| status.success());
    machine_or_skip!(added, "the kernel has no vxlan");
    let images = target.images_dir("images");
    let failure = Dumper::Commensal
        .run(target.pid(), &images, Then::Resume, &["--tcp-established"])
        .expect_err("no dump");
    let name = "odd0 of kind vxlan";
    assert!(failure.message.contains(name), "{}", failure.message);
    target.wait_rounds(2);
}

/// A rule that nft(8) shows in words which it does not read.
#[test]
fn a_rule_that_no_program_can_write_is_refused_by_name() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    let target = Target::spawn(&own_network());
    let rule = "iptables -A INPUT -m recent --name here --set && nft list ruleset | grep xt.match";
    let made = Command::new("nsenter")
        .args(["--net", "--target", &target.pid().to_string()])
        .args(["sh", "-c", rule])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    machine_or_skip!(
        made,
        "there is no iptables over nftables, or not its match recent"
    );
    let images = target.images_dir("images");
    let failure = Dumper::Commensal
        .run(target.pid(), &images, Then::Resume, &["--tcp-established"])
        .expect_err("no dump");
    let name = "xt match recent";
    assert!(failure.message.contains(name), "{}", failure.message);
    target.wait_rounds(2);
}

fn tun(kind: &[&str]) -> Program {
    let script = Program::script("python3", "tun.py").restless();
    kind.iter().fold(script, |script, word| script.arg(word))
}

/// What a namespace says of the kinds of its interfaces, owners of tun devices included.
fn kinds(pid: u32) -> Vec<[Value; 2]> {
    let shown = Command::new("nsenter")
        .args(["--net", "--target", &pid.to_string()])
        .args(["ip", "-details", "-json", "link"])
        .output()
        .expect("nsenter starts");
    let links: Vec<Value> = serde_json::from_slice(&shown.stdout).expect("what ip shows");
    let wanted = |link: &Value| [link["ifname"].clone(), link["linkinfo"].clone()];
    links.iter().map(wanted).collect()
}

/// Whether the kernel makes tun devices.
fn has_tun() -> bool {
    fs::File::open("/dev/net/tun").is_ok()
}

#[test]
fn tun_and_tap_devices_come_back() {
    let judge = judge_or_skip!();
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_tun(), "the kernel has no tun devices");
    let target = Target::spawn_for_restore(&tun(&[]));
    let before = kinds(target.pid());
    let owned = |[_, info]: &[Value; 2]| info["info_data"]["user"] == 1234;
    assert!(before.iter().any(owned), "{before:?}");
    let images = target.images_dir("images");
    Dumper::chosen()
        .run(target.pid(), &images, Then::Kill, &[])
        .unwrap_or_else(|failure| panic!("{failure:?}"));
    let _restored = judge
        .restore_with(&images, &[])
        .unwrap_or_else(|error| panic!("{error}"));
    target.wait_rounds(3);
    assert_eq!(kinds(target.pid()), before);
}

#[test]
fn tun_and_tap_devices_are_left_as_they_are() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_tun(), "the kernel has no tun devices");
    assert_resumes_with(&tun(&[]), 3, &[]);
}

#[test]
fn what_a_tun_device_would_lose_is_refused_by_name() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_tun(), "the kernel has no tun devices");
    assert_refused(&tun(&["offload"]), &[], "TUNSETOFFLOAD");
    assert_refused(&tun(&["limit"]), &[], "TUNSETSNDBUF");
    assert_refused(
        &tun(&["left"]),
        &[],
        "last0, which no task of the tree has open",
    );
}
