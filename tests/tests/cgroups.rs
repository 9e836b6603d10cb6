//! Trees in control groups: stopped by the group's freezer, and back in their groups.

#[path = "common/group.rs"]
mod group;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use commensal_tests::harness::wait_for;
use commensal_tests::harness::{Dumper, Program, Target, Then, looks_complete, paths, process};
use commensal_tests::{judge_or_skip, skip};
use group::Group;
use rustix::process::Signal;

/// A victim in a group of its own, for every version of control groups that there is.
fn in_groups(test: impl Fn(&Target, &Group)) {
    let groups = Group::of_every_version();
    if groups.is_empty() {
        skip::skip_here("no control group with a freezer can be made here");
    }
    for group in groups {
        // Its children come and go.
        let target = Target::spawn_for_restore(&Program::victim("victim-churn").restless());
        group.add(target.pid());
        // Dropped before the victim, which cannot be killed while it is frozen.
        let thawed_in_the_end = Thawed(&group);
        test(&target, &group);
        drop(thawed_in_the_end);
        drop(target);
    }
}

/// Thaws a group when it is dropped.
struct Thawed<'g>(&'g Group);

impl Drop for Thawed<'_> {
    fn drop(&mut self) {
        self.0.thaw();
    }
}

/// Another task of the same group; killed when dropped.
struct Bystander(Child);

impl Bystander {
    fn start(group: &Group) -> Self {
        let bystander = Command::new("sleep").arg("1000").spawn();
        let bystander = Self(bystander.expect("sleep starts"));
        group.add(bystander.0.id());
        bystander
    }

    fn is_traced(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        !status.expect("it lives").contains("TracerPid:\t0\n")
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CRIU's command line, from the group's directory on.
fn criu_dump(target: &Target, images: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(paths::commensal());
    command
        .args(["criu", "dump", "--no-default-config", "-t"])
        .arg(target.pid().to_string())
        .arg("-D")
        .arg(images)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

#[test]
fn a_group_is_stopped_with_all_its_tasks_and_runs_on() {
    in_groups(|target, group| {
        let bystander = Bystander::start(group);
        for turn in 0..3 {
            let images = target.images_dir(&format!("images-{turn}"));
            let arguments = ["--freeze-cgroup", group.dir()];
            let dump = Dumper::chosen().run(target.pid(), &images, Then::Resume, &arguments);
            assert!(dump.is_ok(), "{dump:?}");
            assert!(looks_complete(&images));
            assert!(group.is_thawed());
            assert!(!bystander.is_traced());
            target.wait_rounds(2);
        }
    });
}

#[test]
fn a_group_that_was_frozen_is_frozen_again() {
    in_groups(|target, group| {
        group.freeze();
        let images = target.images_dir("images");
        let arguments = ["--freeze-cgroup", group.dir()];
        let dump = Dumper::chosen().run(target.pid(), &images, Then::Resume, &arguments);
        assert!(dump.is_ok(), "{dump:?}");
        assert!(looks_complete(&images));
        wait_for("the group to be frozen again", || {
            group.is_frozen().then_some(())
        });
        group.thaw();
        target.wait_rounds(2);
    });
}

/// The kernel attaches to no task that was stopped and then frozen.
#[test]
fn a_stopped_task_of_the_group_is_no_obstacle() {
    in_groups(|target, group| {
        let bystander = Bystander::start(group);
        let pid = bystander.0.id();
        process::signal(pid, Signal::STOP);
        let is_stopped = || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.expect("it lives").contains(") T ").then_some(())
        };
        wait_for("the task to stop", is_stopped);
        for (turn, frozen) in ["thawed", "frozen"].into_iter().zip([false, true]) {
            if frozen {
                group.freeze();
            }
            let images = target.images_dir(turn);
            let arguments = ["--freeze-cgroup", group.dir()];
            let dump = Dumper::chosen().run(target.pid(), &images, Then::Resume, &arguments);
            assert!(dump.is_ok(), "{dump:?}");
            group.thaw();
            wait_for("the task to be stopped again", is_stopped);
            assert!(!bystander.is_traced());
            target.wait_rounds(2);
        }
    });
}

#[test]
fn a_tree_that_is_killed_comes_back_into_its_group() {
    let judge = judge_or_skip!();
    in_groups(|target, group| {
        let images = target.images_dir("images");
        let arguments = ["--freeze-cgroup", group.dir()];
        let dump = Dumper::chosen().run(target.pid(), &images, Then::Kill, &arguments);
        assert!(dump.is_ok(), "{dump:?}");
        wait_for("the group to be empty", || {
            group.processes().is_empty().then_some(())
        });
        let restored = judge.restore(&images).expect("the judge restores it");
        target.wait_rounds(2);
        assert_eq!(restored.pid(), target.pid());
        assert!(group.processes().contains(&target.pid()));
    });
}

/// The dump is held up while the group, which was frozen, is thawed for it.
#[test]
fn a_killed_dumper_leaves_the_group_as_it_was() {
    in_groups(|target, group| {
        group.freeze();
        let images = target.images_dir("images");
        let (script, reached) = (target.dir().join("script"), target.dir().join("reached"));
        let body = format!(
            "#!/bin/sh\n[ $CRTOOLS_SCRIPT_ACTION = post-dump ] || exit 0\n\
             echo $$ > {0}.new\nmv {0}.new {0}\nexec sleep 1000\n",
            reached.display()
        );
        fs::write(&script, body).expect("a new script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("our own file");
        let script = script.to_str().expect("a name of ours");
        let arguments = [
            "--freeze-cgroup",
            group.dir(),
            "-R",
            "--action-script",
            script,
        ];
        let mut dumper = criu_dump(target, &images, &arguments)
            .spawn()
            .expect("it starts");
        let sleeper: u32 = wait_for("the images to be complete", || {
            fs::read_to_string(&reached).ok()?.trim().parse().ok()
        });
        assert!(group.is_thawed());
        dumper.kill().expect("it waits for its script");
        dumper.wait().expect("it was killed");
        wait_for("the group to be frozen again", || {
            group.is_frozen().then_some(())
        });
        process::kill_tree(sleeper);
        group.thaw();
        target.wait_rounds(2);
    });
}

#[test]
fn a_dumper_in_the_group_is_refused() {
    in_groups(|target, group| {
        let images = target.images_dir("images");
        let dump = Command::new("sh")
            .args([
                "-c",
                "echo $$ > $1/cgroup.procs && shift && exec \"$@\"",
                "-",
            ])
            .arg(group.dir())
            .arg(paths::commensal())
            .args(["dump", &target.pid().to_string(), "-D"])
            .arg(&images)
            .args(["--freeze-cgroup", group.dir()])
            .output()
            .expect("a shell");
        let message = String::from_utf8_lossy(&dump.stderr).into_owned();
        assert_eq!(dump.status.code(), Some(1), "{message}");
        assert!(message.contains("would freeze with the group"), "{message}");
        assert!(group.is_thawed());
        target.wait_rounds(2);
    });
}

#[test]
fn the_files_that_are_saved_can_be_chosen() {
    let judge = judge_or_skip!();
    in_groups(|target, group| {
        let images = target.images_dir("images");
        let list = target.dir().join("list");
        fs::write(
            &list,
            "\"freezer\":\n - \"strategy\": \"merge\"\n - \"properties\": [\"freezer.parent_freezing\"]\n",
        )
        .expect("a new file");
        let list = list.to_str().expect("a name of ours");
        let arguments = [
            "-R",
            "--cgroup-props-file",
            list,
            "--cgroup-dump-controller",
            "freezer",
        ];
        let dump = criu_dump(target, &images, &arguments)
            .output()
            .expect("it starts");
        assert!(dump.status.success(), "{dump:?}");
        let decoded = judge.decode_all(&images).expect("crit reads them");
        let Some(cgroup) = decoded.get("cgroup.img") else {
            // Version 2 is none of the hierarchies that were named.
            return assert!(group.dir().contains("unified"));
        };
        let controllers = cgroup["entries"][0]["controllers"]
            .as_array()
            .expect("a list");
        let names: Vec<_> = controllers
            .iter()
            .map(|c| c["cnames"].to_string())
            .collect();
        assert_eq!(names, ["[\"freezer\"]"]);
        let files = controllers[0]["dirs"][0]["properties"].to_string();
        assert!(files.contains("freezer.parent_freezing"), "{files}");
        assert!(files.contains("notify_on_release"), "{files}");
    });
}

/// A group that is still there is all that a restore needs.
#[test]
fn groups_that_are_not_managed_are_entered_again() {
    let judge = judge_or_skip!();
    in_groups(|target, group| {
        let images = target.images_dir("images");
        let dump = criu_dump(target, &images, &["--manage-cgroups=ignore"]).output();
        let dump = dump.expect("it starts");
        assert!(dump.status.success(), "{dump:?}");
        let decoded = judge.decode_all(&images).expect("crit reads them");
        let controllers = &decoded["cgroup.img"]["entries"][0]["controllers"];
        for controller in controllers.as_array().expect("a list") {
            assert_eq!(controller["dirs"].as_array().map_or(0, Vec::len), 0);
        }
        wait_for("the group to be empty", || {
            group.processes().is_empty().then_some(())
        });
        let restored = judge.restore(&images).expect("the judge restores it");
        target.wait_rounds(2);
        assert!(group.processes().contains(&restored.pid()));
    });
}

/// The judge compares every word of it with what it finds itself.
#[test]
fn the_processor_is_described_as_criu_does() {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&Program::victim("victim-sleep"));
    let images = target.images_dir("images");
    let dump = criu_dump(&target, &images, &["--cpu-cap"])
        .output()
        .expect("it starts");
    assert!(dump.status.success(), "{dump:?}");
    let restored = judge.restore_with(&images, &["--cpu-cap=all"]);
    let restored = restored.expect("the same processor");
    target.wait_rounds(2);
    assert_eq!(restored.pid(), target.pid());
}
