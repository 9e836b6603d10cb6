//! The dumper is killed at a sample of its system call stops; `cargo xtask sweep` takes all.
//! About 20 seconds.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use commensal_tests::harness::{paths, process, wait_for};
use commensal_tests::skip::{can_have_users, can_read_records};
use commensal_tests::sweep::{End, Facts, Killer, LazyDump, Subject, Sweep};
use commensal_tests::{machine_or_skip, need_or_skip};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::process::Signal;

fn assert_harmless(child: Option<&str>, modes: &[&str], first: usize, step: usize) {
    assert_harmless_by(&mut Killer::best(), child, modes, first, step);
}

fn assert_harmless_by(
    killer: &mut Killer,
    child: Option<&str>,
    modes: &[&str],
    first: usize,
    step: usize,
) {
    let sweep = Sweep {
        target: &|| Subject::start(child, modes),
        dumper: &|target| {
            let mut command = Command::new(paths::victim("sweep-chain"));
            command.args(target.pids().iter().map(u32::to_string));
            command
        },
        first,
        step,
        signal: Signal::KILL,
    };
    let outcome = sweep.run(killer);
    assert!(outcome.is_clean(), "{outcome}");
}

#[test]
fn a_task_that_computes_survives_its_dumper() {
    assert_harmless(None, &["spin"], 5, 31);
}

#[test]
fn a_task_that_sleeps_survives_its_dumper() {
    assert_harmless(None, &["nap"], 7, 29);
}

/// Who debugs a dumper keeps its caretaker from that.
#[test]
fn tasks_survive_a_dumper_that_is_traced() {
    assert_harmless_by(&mut Killer::Traced, Some("nap"), &["mixed", "spin"], 6, 61);
}

/// Whatever stops it, the call gives EINTR, but for the caretaker of a dumper that nobody traces. Without it, one
/// or two of all 400 points see that: a third of them is a sample for every day.
#[test]
fn a_task_in_epoll_wait_survives_its_dumper() {
    let killer = Killer::unseen();
    machine_or_skip!(killer.is_ok(), "BPF programs at tracepoints");
    let mut killer = killer.unwrap_or(Killer::Traced);
    assert_harmless_by(&mut killer, None, &["epoll"], 1, 3);
}

#[test]
fn no_restartable_sequence_is_continued_half_done() {
    assert_harmless(None, &["rseq"], 2, 23);
}

/// Its filter applies again when the dumper dies.
#[test]
fn a_task_under_a_seccomp_filter_survives_its_dumper() {
    assert_harmless(None, &["lean"], 9, 37);
}

/// It would not survive a SIGSTOP in a timed call either; a dumper that lives puts that right.
#[test]
fn a_filter_without_restart_syscall_is_no_trouble() {
    let subject = Subject::start(None, &["no-restart"]);
    for _ in 0..40 {
        let mut chain = Command::new(paths::victim("sweep-chain"));
        let status = chain.arg(subject.pid().to_string()).status();
        assert!(status.expect("the dumper starts").success());
        subject.check().unwrap_or_else(|harm| panic!("{harm:?}"));
    }
}

#[test]
fn four_threads_survive_their_dumper() {
    assert_harmless(None, &["mixed", "spin", "poll", "futex"], 11, 97);
}

#[test]
fn two_tasks_survive_their_dumper() {
    assert_harmless(Some("nap"), &["mixed"], 3, 89);
}

fn runs(program: &str, version: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(version).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether a path is on the mount that is the root directory: a container has no other.
fn is_on_root_mount(path: &Path) -> bool {
    let mount = |path: &Path| {
        let stat = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID);
        stat.map(|stat| stat.stx_mnt_id).ok()
    };
    mount(path).is_some_and(|id| Some(id) == mount(Path::new("/")))
}

/// Its namespaces are entered and looked through, too, and the dumper's programs may outlive it.
#[test]
fn a_container_survives_its_dumper() {
    container_survives(Subject::start_contained);
}

/// Each mount namespace is entered for what is in its mounts.
#[test]
fn several_mount_namespaces_survive_their_dumper() {
    container_survives(Subject::start_nested);
}

/// What the parasite and our ptrace may do there is decided by a user namespace below ours.
#[test]
fn a_rootless_container_survives_its_dumper() {
    machine_or_skip!(can_have_users(), "user namespaces");
    container_survives(Subject::start_with_users);
}

/// A connection is locked in a namespace that the dumper itself is not in.
#[test]
fn tasks_in_two_network_namespaces_survive_their_dumper() {
    need_or_skip!(can_save_networks(), "it needs root, ip and nft");
    dump_is_harmless(&|| Subject::start_networked(Some("apart"), &["mixed"]));
}

fn can_save_networks() -> bool {
    rustix::process::geteuid().is_root() && runs("ip", "-V") && runs("nft", "-v")
}

fn container_survives(start: impl Fn(Option<&str>, &[&str]) -> Subject) {
    need_or_skip!(can_save_networks(), "it needs root, ip and nft");
    let here =
        is_on_root_mount(&paths::victim("victim-watch")) && is_on_root_mount(&std::env::temp_dir());
    machine_or_skip!(here, "the tests are on a mount of their own");
    dump_is_harmless(&|| start(Some("nap"), &["mixed"]));
}

fn dump_is_harmless(target: &dyn Fn() -> Subject) {
    let sweep = Sweep {
        target,
        dumper: &|target| {
            let mut command = Command::new(paths::commensal());
            command
                .args(["dump", "--then", "resume", "--tcp-established"])
                .arg("--images-dir")
                .arg(target.images())
                .arg(target.pid().to_string());
            command
        },
        first: 41,
        step: 487,
        signal: Signal::KILL,
    };
    let outcome = sweep.run(&mut Killer::best());
    assert!(outcome.is_clean(), "{outcome}");
}

/// It stands still while its memory is fetched, page by page, held by nothing but the dumper.
#[test]
fn tasks_survive_a_dumper_that_serves_their_memory() {
    let lazy = LazyDump::default();
    let sweep = Sweep {
        target: &|| Subject::start(Some("nap"), &["mixed"]),
        dumper: &|target| lazy.of(target),
        first: 53,
        step: 251,
        signal: Signal::KILL,
    };
    let outcome = sweep.run(&mut Killer::best());
    assert!(outcome.is_clean(), "{outcome}");
}

/// Before its SIGCONT nothing could leave it, so nothing is mapped or opened in it.
#[test]
fn a_stopped_task_has_no_mapping_of_a_dead_dumper() {
    dump_is_harmless(&|| Subject::start_stopped(&["stopped", "futex"]));
}

/// What the kernel has written down needs no call of the task's own.
#[test]
fn a_stopped_task_has_nothing_of_a_dead_dumper() {
    machine_or_skip!(can_read_records(), "the kernel's records");
    let mut sleep = Command::new("setsid")
        .args(["sleep", "1000"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("setsid starts");
    let pid = sleep.id();
    // Until it is not the program of the tests any more, nor on its way to sleep.
    wait_for("sleep to sleep", || {
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
        call.starts_with("230 ").then_some(())
    });
    process::signal(pid, Signal::STOP);
    let stopped =
        || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "));
    wait_for("sleep to stop", || stopped().then_some(()));
    let before = Facts::of(pid);
    let mut killer = Killer::best();
    let mut points = 0;
    for point in (13..).step_by(61) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut dumper = Command::new(paths::commensal());
        dumper.args(["dump", "--then", "resume", "--images-dir"]);
        dumper.arg(dir.path().join("images")).arg(pid.to_string());
        let end = killer.kill_at(&dumper, point);
        // A task that is let go wakes up for a moment, to stop again.
        wait_for("sleep to be stopped again", || stopped().then_some(()));
        assert_eq!(before.differences(&Facts::of(pid)), [""; 0], "at {point}");
        match end {
            End::Signalled => points += 1,
            End::Finished { status, .. } => {
                assert_eq!(status, 0);
                break;
            }
        }
    }
    assert!(points > 10);
    sleep.kill().expect("it is ours");
    sleep.wait().expect("it is ours");
}

/// A sweep that could not see harm would prove nothing.
#[test]
fn a_stopped_and_a_dead_target_are_told() {
    let subject = Subject::start(None, &["nap"]);
    process::signal(subject.pid(), Signal::STOP);
    assert_eq!(subject.check().unwrap_err().kind, "stuck");
    process::signal(subject.pid(), Signal::KILL);
    assert_eq!(subject.check().unwrap_err().kind, "dead");
}
