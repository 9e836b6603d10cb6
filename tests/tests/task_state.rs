//! The state of tasks and threads survives the round trip, and a dump that
//! lets the program run on leaves it alone.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Child, Command, Stdio};

use commensal_tests::harness::{Program, assert_resumes, assert_round_trip, paths, wait_for};
use commensal_tests::judge_or_skip;

/// A program that makes itself some state and looks at it in every round.
fn state(kind: &str) -> Program {
    Program::script("python3", "state.py").arg(kind).restless()
}

macro_rules! survives {
    ($($(#[$doc:meta])* $name:ident: $kind:literal;)*) => {
        mod restored {
            use super::*;
            $($(#[$doc])* #[test] fn $name() {
                let judge = judge_or_skip!();
                assert_round_trip(judge, &state($kind).arg("restored"));
            })*
        }
        mod resumed {
            use super::*;
            $($(#[$doc])* #[test] fn $name() {
                assert_resumes(&state($kind), 3);
            })*
        }
    };
}

survives! {
    /// Users, groups, capabilities, securebits, no_new_privs, umask.
    credentials: "credentials";
    /// A task that is not root's; its limits cannot be read from outside.
    a_task_of_another_user: "another_user";
    /// Limits, personality, dumpable, subreaper, huge pages, membarrier,
    /// oom_score_adj, working directory, signal actions.
    limits_and_the_like: "limits";
    /// Threads with users, names, policies, masks and filters of their own.
    threads_that_differ: "threads";
    /// Queued signals with their values, of the task and of a thread.
    queued_signals: "signals";
    /// Interval timers and POSIX timers of several clocks and kinds.
    timers: "timers";
    /// Sessions and groups without leaders, zombies, a stopped child, a shared
    /// descriptor table, a subreaper.
    a_strange_tree: "tree";
}

/// A user without any right of its own.
const USER: u32 = 18943;
/// Its group.
const GROUP: u32 = 58467;

/// A command that the user runs without any capability.
fn as_user(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--bounding-set=-all", "--no-new-privs", "--clear-groups"])
        .arg(format!("--reuid={USER}"))
        .arg(format!("--regid={GROUP}"))
        .arg(program)
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

/// A sleeping process of the user in a session of its own; killed when dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let mut command = as_user("setsid");
        command.args(["sleep", "1000"]).stdout(Stdio::null());
        let sleeper = Self(command.stderr(Stdio::null()).spawn().expect("it starts"));
        wait_for("it sleeps", || {
            fs::read(format!("/proc/{}/comm", sleeper.0.id()))
                .ok()
                .filter(|comm| comm == b"sleep\n")
        });
        sleeper
    }

    fn credentials(&self) -> Vec<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.expect("it is there");
        let about = |line: &&str| {
            ["Uid", "Gid", "Cap", "NoNew"]
                .iter()
                .any(|k| line.starts_with(k))
        };
        status.lines().filter(about).map(str::to_owned).collect()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_task_of_ones_own_user_needs_no_capability() {
    let judge = judge_or_skip!();
    let mut target = Sleeper::start();
    let before = target.credentials();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let place = dir.path().join("of the user");
    // The build directory may be closed to other users.
    let binary = place.join("commensal");
    fs::create_dir(&place).expect("a new directory");
    fs::copy(paths::commensal(), &binary).expect("the binary under test");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), mode).expect("our own directory");
    chown(&place, Some(USER), Some(GROUP)).expect("we are root");
    let images = place.join("images");
    let pid = target.0.id().to_string();
    let dump = as_user(&binary)
        .args(["dump", &pid, "--then=kill", "--images-dir"])
        .arg(&images)
        .output()
        .expect("setpriv is there");
    assert!(dump.status.success(), "{dump:?}");
    target.0.wait().expect("it was killed");
    let restored = judge.restore(&images).expect("the judge restores it");
    assert_eq!(restored.pid(), target.0.id());
    assert_eq!(target.credentials(), before);
}

#[test]
fn what_a_restore_does_not_bring_back_is_told() {
    const PROGRAM: &str = "import ctypes, time\n\
                           ctypes.CDLL(None).prctl(29, ctypes.c_ulong(12345))\n\
                           time.sleep(1000)";
    let mut setsid = Command::new("setsid");
    setsid.args(["python3", "-c", PROGRAM]).stdin(Stdio::null());
    let quiet = setsid.stdout(Stdio::null()).stderr(Stdio::null());
    let target = Sleeper(quiet.spawn().expect("it starts"));
    let pid = target.0.id();
    wait_for("the timer slack to be set", || {
        let slack = fs::read_to_string(format!("/proc/{pid}/timerslack_ns")).ok()?;
        (slack == "12345\n").then_some(())
    });
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dump = Command::new(paths::commensal())
        .args(["dump", &pid.to_string(), "--images-dir"])
        .arg(dir.path().join("images"))
        .output()
        .expect("it starts");
    let message = String::from_utf8_lossy(&dump.stderr);
    assert!(dump.status.success(), "{message}");
    assert!(message.contains("timer slack"), "{message}");
    assert!(message.contains("12345"), "{message}");
}
