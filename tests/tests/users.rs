//! A tree in a user namespace of its own: what its users and groups are called inside, whose
//! things are, and what is refused.

use std::path::Path;

use commensal_tests::harness::{Dumper, Program, Target, Then, assert_loss_is_told, process};
use commensal_tests::skip::can_have_users;
use commensal_tests::{judge_or_skip, machine_or_skip};
use serde_json::{Value, json};

/// A victim that is user and group 0 inside, and the same or another one outside.
fn users(first: u32) -> Program {
    Program::script("python3", "users.py").arg(first.to_string())
}

/// The first task of the namespaces, a child of the victim's child.
fn first_task(target: &Target) -> u32 {
    process::tree(target.pid())[2]
}

/// Why a test is skipped.
const NO_USERS: &str = "user namespaces";

/// A map as the images have it.
fn map(first: u32) -> Value {
    let range = |(first, lower_first, count): (u32, u32, u32)| json!({"first": first, "lower_first": lower_first, "count": count});
    let ranges = [
        (0, first, 1),
        (1, first + 20001, 1999),
        (100_000, 200_000, 5000),
    ];
    ranges.map(range).into_iter().collect()
}

#[test]
fn a_user_namespace_round_trips_twice() {
    let judge = judge_or_skip!();
    machine_or_skip!(can_have_users(), NO_USERS);
    let target = Target::spawn_for_restore(&users(0));
    let mut pid = first_task(&target);
    let mut restored = None;
    for name in ["first", "second"] {
        let images = target.images_dir(name);
        let dump = Dumper::chosen().run(pid, &images, Then::Kill, &[]);
        assert!(dump.is_ok(), "{dump:?}");
        let decoded = judge.decode_all(&images).expect("crit reads the images");
        let maps = &decoded["userns-15.img"]["entries"][0];
        assert_eq!(*maps, json!({"uid_map": map(0), "gid_map": map(0)}));
        let ids = decoded["ids-1.img"]["entries"][0].as_object();
        let namespaces = ids
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.ends_with("_ns_id"));
        let own = namespaces.filter(|(_, id)| id.as_u64() > Some(8));
        // All eight are the tree's own; a cgroup namespace that sees all groups is not restored.
        let expected = if restored.is_none() { 8..=8 } else { 7..=8 };
        assert!(expected.contains(&own.count()), "{ids:?}");
        let user = &decoded["core-2.img"]["entries"][0]["thread_core"]["creds"];
        let ids = ["uid", "euid", "suid", "gid", "egid"].map(|name| user[name].clone());
        assert_eq!(ids, [1000, 1001, 100_002, 100, 100_001].map(Value::from));
        assert_eq!(user["groups"], json!([5, 100_000, 104_999]));
        drop(restored.take());
        let tree = judge.restore_below_mount(&images, &[]);
        let tree = restored.insert(tree.expect("the judge restores it"));
        pid = tree.pid();
        target.wait_rounds(3);
    }
}

/// The root of the namespace is an ordinary user outside, whom the images must be readable for, and
/// its program one that such a user may run.
#[test]
fn a_root_that_is_nobody_outside_round_trips() {
    const PYTHON: &str = "/usr/bin/python3";
    let judge = judge_or_skip!();
    machine_or_skip!(can_have_users(), NO_USERS);
    machine_or_skip!(Path::new(PYTHON).exists(), PYTHON);
    let program = Program::script(PYTHON, "users.py").arg("20000");
    for how in [&[][..], &["--pre-copy"]] {
        let target = Target::spawn_for_restore(&program);
        let images = target.images_dir("images");
        let dump = Dumper::chosen().run(first_task(&target), &images, Then::Kill, how);
        assert!(dump.is_ok(), "{dump:?}");
        let _restored = judge
            .restore_below_mount(&images, &[])
            .expect("the judge restores it");
        target.wait_rounds(3);
    }
}

#[test]
fn a_user_namespace_resumes() {
    machine_or_skip!(can_have_users(), NO_USERS);
    let target = Target::spawn(&users(0));
    for turn in ["first", "second", "third"] {
        let images = target.images_dir(turn);
        let dump = Dumper::chosen().run(first_task(&target), &images, Then::Resume, &[]);
        assert!(dump.is_ok(), "{dump:?}");
        target.wait_rounds(2);
    }
}

#[test]
fn what_cannot_be_restored_is_refused_by_name() {
    machine_or_skip!(can_have_users(), NO_USERS);
    for (kind, reason) in [
        (
            "alone",
            "in a user namespace of its own, but in our pid namespace",
        ),
        ("without-map", "in a user namespace without a map"),
        ("without-root", "in a user namespace that has no user 0"),
        ("in-group", "a task with the supplementary group 27"),
        (
            "nested",
            "in another user namespace than the root of the tree",
        ),
        (
            "of-another-parent",
            "in a user namespace whose parent is not the dumper's",
        ),
        (
            "below-others",
            "in a uts namespace that its user namespace does not own",
        ),
    ] {
        let target = Target::spawn(&Program::script("python3", "user_kinds.py").arg(kind));
        let images = target.images_dir("images");
        let refused = Dumper::Commensal
            .run(target.pid(), &images, Then::Kill, &[])
            .expect_err(kind);
        assert!(refused.message.contains(reason), "{kind}: {refused:?}");
        target.wait_rounds(2);
    }
}

#[test]
fn a_group_without_an_id_is_told_of_once_where_its_loss_is_accepted() {
    machine_or_skip!(can_have_users(), NO_USERS);
    let target = Target::spawn(&users(0).arg("group"));
    assert_loss_is_told(
        &target,
        first_task(&target),
        "is not in group 27 after a restore",
    );
}

#[test]
fn what_belongs_to_strangers_is_refused_by_name() {
    machine_or_skip!(can_have_users(), NO_USERS);
    for (obstacle, reason) in [
        ("stranger", "the file ./it in the tmpfs on "),
        ("device", "./it in it is a device"),
        ("memory", "is a memory file: it belongs to user 7"),
    ] {
        let target = Target::spawn(&users(0).arg(obstacle));
        let images = target.images_dir("images");
        let refused = Dumper::Commensal
            .run(first_task(&target), &images, Then::Kill, &[])
            .expect_err(obstacle);
        assert!(refused.message.contains(reason), "{obstacle}: {refused:?}");
        target.wait_rounds(2);
    }
}
