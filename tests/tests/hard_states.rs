//! Tasks in states that are hard on who enters them: they are dumped, or refused with the
//! reason, and in any case not harmed.

#[path = "common/hard.rs"]
mod hard;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use commensal_tests::harness::{Dumper, Then, paths, process, wait_for};
use commensal_tests::skip;
use commensal_tests::sweep::{End, Killer};
use hard::{Victim, assert_entered, assert_refused, assert_unnoticed, chain, refusal};
use rustix::process::{Signal, WaitOptions, waitpid};

#[test]
fn restrictions_that_do_not_matter() {
    for state in [
        "no-new-privs",
        "not-dumpable",
        "no-write-execute",
        "small-sigaltstack",
    ] {
        assert_entered(state);
    }
}

#[test]
fn seccomp_filters_that_let_a_thread_go_home() {
    assert_entered("seccomp-open");
}

/// The tracer's death would bring them back in the middle of a call.
#[test]
fn seccomp_filters_that_do_not() {
    assert_refused("seccomp-kills-munmap", "munmap");
    assert_refused("seccomp-refuses-close", "close");
    assert_refused("seccomp-lean", "seccomp filter");
    assert_refused("seccomp-strict", "strict mode");
}

/// What is killed afterwards may be entered at any risk.
#[test]
fn a_task_under_such_a_filter_can_be_dumped_and_killed() {
    let mut victim = Victim::start("seccomp-kills-munmap");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dump = |then, name| {
        let images = dir.path().join(name);
        let options = ["--shell-job", "--no-bpf"];
        Dumper::Commensal.run(victim.child.id(), &images, then, &options)
    };
    let failure = dump(Then::Resume, "first").expect_err("it would be at risk");
    assert!(
        failure.message.contains("seccomp filter"),
        "{}",
        failure.message
    );
    if let Err(failure) = dump(Then::Kill, "second") {
        panic!("{}", failure.message);
    }
    assert!(!victim.child.wait().expect("it is our child").success());
}

/// As a goroutine or a coroutine does; live data there may well be zeros.
#[test]
fn a_main_thread_that_left_its_stack() {
    assert_entered("left-stack");
    assert_refused("left-stack-of-zeros", "no room");
}

#[test]
fn no_descriptor_left() {
    assert_refused("no-descriptor-left", "socketpair");
}

#[test]
fn a_leader_that_has_ended() {
    let mut victim = Victim::start("ended-leader");
    let message = refusal(&victim);
    assert!(message.contains("main thread has ended"), "{message}");
    victim.assert_alive("afterwards");
}

/// It waits for the child of its vfork(2), and no signal wakes it.
#[test]
fn uninterruptible_sleep_is_given_up_in_time() {
    let mut victim = Victim::start("held-by-a-child");
    let start = Instant::now();
    let message = refusal(&victim);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(message.contains("did not stop within 10 s"), "{message}");
    let channel = message
        .trim_end()
        .rsplit_once("waits in ")
        .map(|(_, channel)| channel);
    assert!(
        channel.is_some_and(|channel| channel.len() > 1),
        "{message}"
    );
    assert_eq!(victim.status("TracerPid:"), "0");
    victim.assert_alive("its other thread");
}

#[test]
fn threads_that_are_born_and_die_all_the_time() {
    let mut victim = Victim::start("thread-storm");
    for turn in 0..20 {
        let output = chain(&victim);
        let message = String::from_utf8_lossy(&output.stderr);
        // One may end between the look at the task and the look at the thread.
        assert!(
            output.status.success() || message.contains("gone"),
            "turn {turn}: {message}"
        );
        victim.assert_alive("in the storm");
    }
}

/// Whether it is entered or not: it is not harmed.
#[test]
fn a_process_that_shares_its_memory_and_fights() {
    let mut victim = Victim::start("fighter");
    for turn in 0..20 {
        chain(&victim);
        assert_eq!(victim.status("TracerPid:"), "0", "turn {turn}");
        victim.assert_alive("in the fight");
    }
}

/// Also for its parent: no further stop is reported, nor a continuation.
#[test]
fn a_stopped_task_stays_stopped() {
    let mut victim = Victim::start("no-new-privs");
    for signal in [Signal::STOP, Signal::TSTP] {
        process::signal(victim.child.id(), signal);
        let options = WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        let (_, first) = waitpid(Some(victim.pid()), options).unwrap().unwrap();
        assert_eq!(first.stopping_signal(), Some(signal.as_raw()));
        assert!(chain(&victim).status.success());
        assert!(victim.status("State:").starts_with('T'));
        let more = waitpid(Some(victim.pid()), options | WaitOptions::NOHANG).unwrap();
        assert!(more.is_none(), "its parent is told of {more:?}");
        process::signal(victim.child.id(), Signal::CONT);
        let (_, on) = waitpid(Some(victim.pid()), options).unwrap().unwrap();
        assert!(on.continued());
        victim.assert_alive("continued");
    }
}

/// No libc, no [`std`]: what Go's runtime or an assembler program looks like.
#[test]
fn a_static_program_without_a_libc() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut victim = Victim::of(&mut Command::new(bare_program(dir.path())));
    assert_unnoticed(&mut victim, "without a libc", chain);
}

fn bare_program(dir: &Path) -> PathBuf {
    let path = dir.join("bare");
    let status = Command::new("rustc")
        .args([
            "--edition=2024",
            "-Copt-level=2",
            "-Cpanic=abort",
            "-Crelocation-model=static",
        ])
        .args([
            "-Clink-arg=-nostartfiles",
            "-Clink-arg=-nostdlib",
            "-Clink-arg=-static",
        ])
        .arg("-o")
        .arg(&path)
        .arg(paths::script("bare.rs"))
        .status()
        .expect("rustc starts");
    assert!(status.success());
    path
}

#[test]
fn a_static_musl_program() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("musl");
    let built = Command::new("musl-gcc")
        .args(["-static", "-O2", "-o"])
        .arg(&path)
        .arg(paths::script("musl.c"))
        .status();
    if !built.is_ok_and(|status| status.success()) {
        skip::skip("no musl-gcc builds static programs here (Debian: musl-tools)");
        return;
    }
    let mut victim = Victim::of(&mut Command::new(path));
    let before = victim.maps();
    let output = chain(&victim);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    // It has no handler, and so no restorer: its way home is another.
    let mut chain = Command::new(paths::victim("sweep-chain"));
    chain.arg(victim.child.id().to_string());
    let mut killer = Killer::best();
    for point in (5..).step_by(11) {
        let end = killer.kill_at(&chain, point);
        wait_for("its own mappings", || {
            (victim.maps() == before).then_some(())
        });
        victim.assert_alive("killed");
        if let End::Finished { status, .. } = end {
            assert_eq!(status, 0);
            break;
        }
    }
}

/// In a pid namespace of its own, where no memfd may be executable (`vm.memfd_noexec`).
#[test]
fn no_executable_memfd() {
    const SCRIPT: &str = "
        echo 2 > /proc/sys/vm/memfd_noexec || exit 1
        sleep 1000 & pid=$!
        until grep -qE '^(35|230) ' /proc/$pid/syscall; do :; done
        before=$(cat /proc/$pid/maps)
        \"$1\" $pid || exit 2
        [ \"$before\" = \"$(cat /proc/$pid/maps)\" ] || exit 3
        kill $pid || exit 4";
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "sh", "-c", SCRIPT, "sh"])
        .arg(paths::victim("sweep-chain"))
        .output()
        .expect("unshare starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {message}", output.status);
}

/// Without any capability, the parasite's pages are private ones.
#[test]
fn an_unprivileged_dumper() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Where anybody may start them.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).expect("our own directory");
    for name in ["victim-hard", "sweep-chain"] {
        std::fs::copy(paths::victim(name), dir.path().join(name)).expect("a copy");
    }
    let nobody = |name: &str, argument: &str| {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--bounding-set=-all",
            ])
            .arg(dir.path().join(name))
            .arg(argument);
        command
    };
    let mut victim = Victim::of(&mut nobody("victim-hard", "no-new-privs"));
    assert_unnoticed(&mut victim, "without capabilities", |victim| {
        let mut dumper = nobody("sweep-chain", &victim.child.id().to_string());
        dumper.output().expect("the dumper starts")
    });
}
