//! `criu dump` of a real process.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{place, write_script};
use tempfile::TempDir;

/// A shell that waits for input, in a session of its own.
struct Target {
    child: Child,
    dir: TempDir,
}

impl Target {
    fn spawn() -> Self {
        Self::spawn_in(&[]).expect("a shell says that it is ready")
    }

    /// The same, started by another program; none if that does not start it.
    fn spawn_in(starter: &[&str]) -> Option<Self> {
        let mut child = Command::new("setsid")
            .args(starter)
            .args(["sh", "-c", "echo ready; read -r line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("setsid starts");
        let output = child.stdout.as_mut().expect("a pipe");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line");
        if line != "ready\n" {
            child.wait().expect("its end");
            return None;
        }
        let dir = place();
        fs::create_dir(dir.path().join("images")).expect("a directory");
        Some(Self { child, dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Dumps it as CRIU's users do.
    fn dump(&self, args: &[&str]) -> Output {
        Command::new(self.path("criu"))
            .current_dir(self.dir.path())
            .args([
                "dump",
                "--no-default-config",
                "--unprivileged",
                "-v4",
                "-o",
                "dump.log",
            ])
            .args([
                "-D",
                "images",
                "-W",
                ".",
                "-t",
                &self.child.id().to_string(),
            ])
            .args(args)
            .output()
            .expect("it starts")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("dump.log")).expect("a log")
    }

    fn is_complete(&self) -> bool {
        self.path("images/inventory.img").exists()
    }

    /// Waits until the target is in `state`: one that was let go has yet to
    /// fall asleep again, or to stop.
    fn comes_to(&self, state: char) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.state() != state {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    /// The state in /proc/PID/stat.
    fn state(&self) -> char {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("a task");
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        state.expect("a state")
    }

    fn script(&self, body: &str) -> String {
        let path = self.path("act");
        write_script(&path, body);
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_tree_is_killed_unless_told_otherwise() {
    let mut target = Target::spawn();
    let output = target.dump(&["--display-stats"]);
    assert!(output.status.success(), "{}", target.log());
    assert!(target.is_complete());
    assert!(target.path("stats-dump").exists(), "in the work directory");
    assert!(target.log().contains("Dumping finished successfully"));
    let stats = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stats.contains("Memory pages written: "), "{stats}");
    let status = target.child.wait().expect("its end");
    assert_eq!(status.to_string(), "signal: 9 (SIGKILL)");
}

#[test]
fn it_is_left_running_or_stopped_when_asked() {
    for (option, state) in [("-R", 'S'), ("--leave-stopped", 'T')] {
        let target = Target::spawn();
        assert!(target.dump(&[option]).status.success(), "{}", target.log());
        assert!(target.is_complete());
        assert!(target.comes_to(state), "{option}");
    }
}

#[test]
fn scripts_run_at_the_stages_of_a_dump() {
    let target = Target::spawn();
    let script = target.script(
        r#"echo "$CRTOOLS_SCRIPT_ACTION $CRTOOLS_INIT_PID $(ls "$CRTOOLS_IMAGE_DIR/inventory.img")" >>seen"#,
    );
    let output = target.dump(&["-R", "--action-script", &script]);
    assert!(output.status.success(), "{}", target.log());
    let seen = fs::read_to_string(target.path("seen")).expect("they ran");
    let stages: Vec<_> = seen
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .collect();
    let pid = target.child.id().to_string();
    assert_eq!(stages.len(), 2, "{seen}");
    assert_eq!(stages[0][..2], ["pre-dump", &pid]);
    assert_eq!(stages[1][..2], ["post-dump", &pid]);
    assert!(
        stages[0][2].is_empty() && stages[1][2].ends_with("/inventory.img"),
        "{seen}"
    );
}

#[test]
fn scripts_lock_a_network_of_the_trees_own() {
    let target = Target::spawn_in(&["unshare", "--net"]);
    let Some(target) = target else {
        eprintln!("skipped: making a network namespace takes root");
        return;
    };
    let script =
        target.script(r#"echo "$CRTOOLS_SCRIPT_ACTION $(readlink /proc/self/ns/net)" >>seen"#);
    let output = target.dump(&["-R", "--action-script", &script]);
    assert!(output.status.success(), "{}", target.log());
    let ours = fs::read_link("/proc/self/ns/net").expect("a namespace");
    let seen = fs::read_to_string(target.path("seen")).expect("they ran");
    let stages = ["pre-dump", "network-lock", "post-dump", "network-unlock"];
    let expected = stages.map(|stage| format!("{stage} {}\n", ours.display()));
    assert_eq!(seen, expected.concat());
}

#[test]
fn a_post_dump_script_that_fails_keeps_the_tree_running() {
    let target = Target::spawn();
    let script = target.script(r#"test "$CRTOOLS_SCRIPT_ACTION" = pre-dump || exit 9"#);
    let output = target.dump(&["--action-script", &script]);
    assert_eq!(output.status.code(), Some(9), "{}", target.log());
    assert!(target.is_complete());
    assert!(target.comes_to('S'));
}
