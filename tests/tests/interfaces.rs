//! The interfaces of a network namespace of a tree's own, as a container has them. Each test is in
//! a network namespace of its own, too: what it makes there goes with it.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use commensal_sys::namespace::unshare_network;
use commensal_tests::harness::{Dumper, Program, Target, Then, assert_refused, wait_for};
use commensal_tests::{judge_or_skip, machine_or_skip, need_or_skip};

const RESTORE: &[&str] = &["--external", "veth[eth0]:host0"];

fn container(more: &[&str]) -> Program {
    let script = Program::script("python3", "interfaces.py").restless();
    more.iter().fold(script, |script, word| script.arg(word))
}

/// Making namespaces takes root, and saving one the programs that look into it. From here on this
/// thread, and what it starts, is in a new one, with the loopback interface that CRIU asks for.
fn possible() -> bool {
    let runs = |program: &str, version: &str| {
        let mut command = Command::new(program);
        command.arg(version).stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    rustix::process::geteuid().is_root()
        && runs("ip", "-V")
        && runs("nft", "-v")
        && unshare_network().is_ok()
        && ip("link set lo up")
}

fn ip(arguments: &str) -> bool {
    let mut ip = Command::new("ip");
    ip.args(arguments.split_whitespace());
    ip.stdout(Stdio::null()).stderr(Stdio::null());
    ip.status().is_ok_and(|status| status.success())
}

/// Whether the kernel makes the interfaces that the victim has.
fn has_interfaces() -> bool {
    let has = |kind: &str| ip(&format!("link add try0 type {kind}")) && ip("link del try0");
    has("veth") && has("bridge")
}

/// Whether something answers at the other end of the pair: nobody listens there, and the kernel
/// says so.
fn answers() -> bool {
    assert!(ip("addr add 10.1.0.1/24 dev host0") && ip("link set host0 up"));
    let address = SocketAddr::from(([10, 1, 0, 2], 9));
    let answer = TcpStream::connect_timeout(&address, Duration::from_secs(30));
    answer.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[test]
fn a_veth_pair_a_bridge_routes_and_rules_come_back() {
    let judge = judge_or_skip!();
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_interfaces(), "the kernel has no veth or no bridges");
    let target = Target::spawn_for_restore(&container(&[]));
    assert!(answers(), "before");
    let over_br1 = "route show dev br1";
    wait_for("a bridge without a carrier", || {
        inside(&target, over_br1).contains("linkdown").then_some(())
    });
    let images = target.images_dir("images");
    let dump = Dumper::chosen().run(target.pid(), &images, Then::Kill, &[]);
    assert!(dump.is_ok(), "{dump:?}");
    judge.decode_all(&images).expect("crit reads the images");
    // The kernel takes the namespace down some time after its last task.
    wait_for("the end of the pair", || {
        (!ip("link show host0")).then_some(())
    });
    let _restored = judge
        .restore_with(&images, RESTORE)
        .expect("the judge restores it");
    target.wait_rounds(3);
    assert!(answers(), "after");
    let port = inside(&target, "link show inner1 master br0");
    assert!(!port.is_empty(), "the bridge has its port");
    assert!(inside(&target, over_br1).contains("10.3.0.0/24"));
    assert!(inside(&target, "route show 198.51.100.0/24").contains("nexthop via 10.3.0.2 dev br1"));
}

#[test]
fn a_veth_pair_a_bridge_routes_and_rules_are_left_as_they_are() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_interfaces(), "the kernel has no veth or no bridges");
    let target = Target::spawn(&container(&[]));
    for turn in ["first", "second", "third"] {
        let images = target.images_dir(turn);
        let dump = Dumper::chosen().run(target.pid(), &images, Then::Resume, &[]);
        assert!(dump.is_ok(), "{dump:?}");
        target.wait_rounds(2);
    }
    assert!(answers());
}

fn inside(target: &Target, arguments: &str) -> String {
    let namespace = format!("--net=/proc/{}/ns/net", target.pid());
    let ip = Command::new("nsenter")
        .args([&namespace, "ip"])
        .args(arguments.split_whitespace())
        .output()
        .expect("nsenter runs");
    String::from_utf8(ip.stdout).expect("text")
}

/// On an interface outside, which the restore is told the name of.
#[test]
fn a_macvlan_comes_back() {
    let judge = judge_or_skip!();
    need_or_skip!(possible(), "it needs root, ip and nft");
    let made = ip("link add outer0 type veth peer name outer1")
        && ip("link add mac0 link outer0 type macvlan mode bridge");
    machine_or_skip!(made, "the kernel has no veth or no macvlan");
    let target = Target::spawn_for_restore(&Program::script("python3", "network.py").restless());
    assert!(ip(&format!("link set mac0 netns {}", target.pid())));
    inside(&target, "addr add 10.3.0.2/24 dev mac0");
    let shown = "-brief address show dev mac0";
    let before = inside(&target, shown);
    assert!(before.contains("10.3.0.2/24"), "{before}");
    let images = target.images_dir("images");
    let dump = ["--tcp-established"];
    let dump = Dumper::chosen().run(target.pid(), &images, Then::Kill, &dump);
    assert!(dump.is_ok(), "{dump:?}");
    let restore = ["--tcp-established", "--external", "macvlan[mac0]:outer0"];
    let _restored = judge
        .restore_with(&images, &restore)
        .expect("the judge restores it");
    target.wait_rounds(3);
    assert_eq!(inside(&target, shown), before);
}

#[test]
fn what_the_images_have_no_place_for_is_refused_by_name() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_interfaces(), "the kernel has no veth or no bridges");
    let target = Target::spawn(&container(&["lossy"]));
    let images = target.images_dir("refused");
    let failure = Dumper::Commensal
        .run(target.pid(), &images, Then::Resume, &[])
        .expect_err("it would lose something");
    for name in [
        "permanent neighbours",
        "eth0 with an alias",
        "br0 with settings",
        "inner1 with settings as a port",
    ] {
        assert!(failure.message.contains(name), "{}", failure.message);
    }
    target.wait_rounds(2);
    let images = target.images_dir("accepted");
    let dump = Dumper::Commensal.run(target.pid(), &images, Then::Resume, &["--accept-loss"]);
    let dump = dump.expect("it is accepted");
    let queue = "the length of the queue of inner1, 77 packets,";
    assert!(dump.message.contains(queue), "{}", dump.message);
    target.wait_rounds(2);
}

#[test]
fn what_a_restore_would_fail_on_is_refused_by_name() {
    need_or_skip!(possible(), "it needs root, ip and nft");
    machine_or_skip!(has_interfaces(), "the kernel has no veth or no bridges");
    machine_or_skip!(ip("nexthop add id 7 dev lo"), "the kernel has no next hops");
    assert_refused(&container(&["fatal"]), &["--accept-loss"], "next hops");
}
