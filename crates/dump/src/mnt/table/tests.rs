//! What is refused of mounts.

use super::*;
use crate::External;

fn reasons_of(namespaces: &[&[&str]], options: &Options) -> Vec<String> {
    let namespaces = Namespaces::parsed(namespaces);
    let refusals = Table::new(&namespaces, options).unwrap().refusals();
    refusals.into_iter().map(|refusal| refusal.what).collect()
}

fn reasons(lines: &[&str], options: &Options) -> Vec<String> {
    reasons_of(&[lines], options)
}

const ROOT: &str = "10 1 8:1 /box / rw,relatime - ext4 /dev/a rw";
const TMP: &str = "11 10 0:9 / /tmp rw,relatime - tmpfs none rw";

#[test]
fn what_a_restore_can_mount_is_not_refused() {
    let lines = [
        ROOT,
        TMP,
        "12 10 0:9 /a /b rw,relatime - tmpfs none rw",
        "13 10 8:1 /box/etc /c ro - ext4 /dev/a rw",
        "14 10 0:5 / /proc rw,nosuid,nodev,noexec - proc proc rw",
    ];
    assert_eq!(reasons(&lines, &Options::default()), [""; 0]);
}

#[test]
fn what_it_cannot_is_named() {
    let lines = [
        ROOT,
        "11 10 8:1 /other /data rw - ext4 /dev/a rw",
        "12 10 8:2 / /disk rw - ext4 /dev/b rw",
        "13 10 0:9 / /tmp rw master:3 - tmpfs none rw",
        "14 10 0:10 / /run rw,idmapped - tmpfs none rw",
    ];
    let expected = [
        "in a mount namespace with ext4 on /data",
        "in a mount namespace with ext4 on /disk",
        "in a mount namespace with tmpfs on /tmp",
        "in a mount namespace with tmpfs on /run",
    ];
    assert_eq!(reasons(&lines, &Options::default()), expected);
    let given = ["/data", "/disk"].map(|point| External::Mount {
        point: point.into(),
        name: "x".into(),
    });
    let options = Options {
        external: given.into(),
        ..Options::default()
    };
    assert_eq!(reasons(&lines, &options), expected[2..]);
}

#[test]
fn a_root_that_is_no_mount_is_refused() {
    assert_eq!(reasons(&[TMP], &Options::default()).len(), 1);
}

#[test]
fn another_namespace_may_have_mounts_of_its_own_and_of_the_first() {
    let other = [
        "20 1 8:1 /box/inner / rw - ext4 /dev/a rw",
        "21 20 0:9 / /tmp rw - tmpfs none rw",
        "22 20 0:11 / /own rw - tmpfs own rw",
    ];
    let options = Options::default();
    assert_eq!(reasons_of(&[&[ROOT, TMP], &other], &options), [""; 0]);
    let elsewhere = ["20 1 8:1 /elsewhere / rw - ext4 /dev/a rw"];
    let expected = ["in a mount namespace with ext4 on /"];
    assert_eq!(reasons_of(&[&[ROOT, TMP], &elsewhere], &options), expected);
}

#[test]
fn a_name_is_of_the_first_namespace() {
    let disk = |id: u32, root: u32| format!("{id} {root} 8:2 /part /disk rw - ext4 /dev/b rw");
    let (first, second) = (disk(12, 10), disk(22, 20));
    let other = "20 1 8:1 /box / rw - ext4 /dev/a rw";
    let given = External::Mount {
        point: "/disk".into(),
        name: "x".into(),
    };
    let options = Options {
        external: vec![given],
        ..Options::default()
    };
    assert_eq!(
        reasons_of(&[&[ROOT, &first], &[other, &second]], &options),
        [""; 0]
    );
    let expected = ["in a mount namespace with ext4 on /disk"];
    assert_eq!(
        reasons_of(&[&[ROOT], &[other, &second]], &options),
        expected
    );
}

#[test]
fn a_group_needs_a_mount_that_shows_all() {
    let a = "12 10 0:9 /a /a rw shared:3 - tmpfs none rw";
    let b = "13 10 0:9 /b /b rw shared:3 - tmpfs none rw";
    let slave = "14 10 0:9 /a/c /c rw master:3 - tmpfs none rw";
    let options = Options::default();
    assert_eq!(reasons(&[ROOT, TMP, a, slave], &options), [""; 0]);
    assert_eq!(reasons(&[ROOT, TMP, a, b], &options).len(), 1);
    let all = "15 10 0:9 / /all rw shared:3 - tmpfs none rw";
    assert_eq!(reasons(&[ROOT, TMP, a, b, all], &options), [""; 0]);
    let foreign = "14 10 0:9 /c /c rw master:3 - tmpfs none rw";
    assert_eq!(reasons(&[ROOT, TMP, a, foreign], &options).len(), 1);
}

#[test]
fn a_file_system_on_a_device_may_be_given() {
    let lines = [
        ROOT,
        "12 10 8:2 / /disk rw - xfs /dev/b rw",
        "13 10 8:2 /a /a rw - xfs /dev/b rw",
    ];
    assert_eq!(reasons(&lines, &Options::default()).len(), 1);
    let device = External::Device {
        number: (8, 2),
        name: "x".into(),
    };
    let options = Options {
        external: vec![device],
        ..Options::default()
    };
    assert_eq!(reasons(&lines, &options), [""; 0]);
}

#[test]
fn what_has_lost_its_name_is_mounted_once() {
    let gone = "12 10 8:1 /box/gone//deleted /b rw - ext4 /dev/a rw";
    let options = Options::default();
    assert_eq!(reasons(&[ROOT, gone], &options), [""; 0]);
    let again = "13 10 8:1 /box/gone//deleted /c rw - ext4 /dev/a rw";
    assert_eq!(reasons(&[ROOT, gone, again], &options).len(), 2);
}
