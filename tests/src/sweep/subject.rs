//! The target of a sweep.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::Facts;
use crate::harness::{paths, process, reaper, wait_for};
use crate::victim::report::{Fault, Reader};

/// The kinds of harm, as they are counted.
pub const KINDS: [&str; 6] = ["dead", "stuck", "masked", "leaked", "EINTR", "changed"];

/// How long a target may take to be as it was after its dumper died.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a target suffered.
#[derive(Debug, Clone)]
pub struct Harm {
    /// One of `KINDS`.
    pub kind: &'static str,
    /// Details.
    pub what: String,
}

/// A victim that watches itself, and how it looked before.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    /// Its first task: the child, or that of the container that the child has made.
    root: u32,
    workers: usize,
    reader: Reader,
    before: Facts,
    /// Whether it is stopped (SIGSTOP) while it is dumped.
    stopped: bool,
    dir: TempDir,
}

impl Subject {
    /// Start `victim-watch` with these modes; `child` is the mode of a child process.
    pub fn start(child: Option<&str>, modes: &[&str]) -> Self {
        Self::started_by(Command::new("setsid"), child, modes)
    }

    /// The same in pid, mount and network namespaces of its own; takes root.
    pub fn start_contained(child: Option<&str>, modes: &[&str]) -> Self {
        let mut container = Command::new("sh");
        container.arg(paths::script("contained.sh"));
        Self::started_by(container, child, modes)
    }

    /// The same beside a task in a mount namespace below.
    pub fn start_nested(child: Option<&str>, modes: &[&str]) -> Self {
        let mut container = Command::new("sh");
        container.arg(paths::script("contained_nested.sh"));
        Self::started_by(container, child, modes)
    }

    /// The same in a user namespace of its own, too, with all others below it.
    pub fn start_with_users(child: Option<&str>, modes: &[&str]) -> Self {
        let mut container = Command::new("sh");
        container.arg(paths::script("contained_users.sh"));
        Self::started_by(container, child, modes)
    }

    /// The same in a network namespace of its own; a child of the mode `apart` has another. Takes
    /// root.
    pub fn start_networked(child: Option<&str>, modes: &[&str]) -> Self {
        let mut networked = Command::new("setsid");
        networked.args(["unshare", "--net"]);
        Self::started_by(networked, child, modes)
    }

    /// The same, stopped (SIGSTOP) whenever it is not looked at.
    pub fn start_stopped(modes: &[&str]) -> Self {
        let mut subject = Self::start(None, modes);
        subject.stopped = true;
        subject.stop();
        subject
    }

    fn started_by(mut command: Command, child: Option<&str>, modes: &[&str]) -> Self {
        reaper::adopt_orphans();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let report = dir.path().join("report");
        let reader = Reader::create(&report).expect("a new report");
        command.arg(paths::victim("victim-watch")).arg(&report);
        if let Some(mode) = child {
            command.args(["--child", mode]);
        }
        let child_process = command
            .args(modes)
            .env(process::MARK, dir.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("the victim starts");
        let workers = modes.len() + usize::from(child.is_some());
        wait_for("the victim's first rounds", || {
            reader
                .rounds(workers)
                .iter()
                .all(|&rounds| rounds > 2)
                .then_some(())
        });
        // The report is mapped by the victim itself; what started it waits, or became it.
        let root = process::tree(child_process.id())
            .into_iter()
            .find(|pid| is_victim(*pid))
            .expect("it runs");
        let before = Facts::of(root);
        Self {
            child: child_process,
            root,
            workers,
            reader,
            before,
            stopped: false,
            dir,
        }
    }

    /// The first task.
    pub fn pid(&self) -> u32 {
        self.root
    }

    /// All tasks.
    pub fn pids(&self) -> Vec<u32> {
        process::tree(self.pid())
    }

    /// A new path in a folder that lives as long as the target.
    pub fn images(&self) -> std::path::PathBuf {
        let images = self.dir.path().join("images");
        let _ = std::fs::remove_dir_all(&images);
        images
    }

    fn stop(&self) {
        for pid in self.pids() {
            process::signal(pid, Signal::STOP);
        }
        let stopped = || self.is_stopped().then_some(());
        wait_for("all tasks of the victim to stop", stopped);
    }

    fn is_stopped(&self) -> bool {
        let state = |pid| process::stat(pid).map(|stat| stat.state);
        self.pids().into_iter().all(|pid| state(pid) == Some('T'))
    }

    /// Whether it is as if nothing had happened; looks until it is, or patience ends. One that is
    /// stopped has nothing of ours but blocked signals, and runs on with its SIGCONT.
    pub fn check(&self) -> Result<(), Harm> {
        if !self.stopped {
            return self.runs_on();
        }
        let unlike = |what: &String| !what.contains("SigBlk");
        let is_gone = |what: &String| what.ends_with(" is gone");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut found = self.before.differences(&Facts::of(self.pid()));
            found.retain(unlike);
            if !self.is_stopped() {
                found.push("it is not stopped any more".to_owned());
            }
            if found.is_empty() {
                break;
            }
            if found.iter().any(is_gone) || Instant::now() > deadline {
                let what = found.join("; ");
                let kind = kind(&what);
                return Err(Harm { kind, what });
            }
            // A task that is let go wakes up for a moment, to stop again.
            thread::sleep(Duration::from_millis(1));
        }
        for pid in self.pids() {
            process::signal(pid, Signal::CONT);
        }
        self.runs_on()?;
        self.stop();
        Ok(())
    }

    fn runs_on(&self) -> Result<(), Harm> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.look() {
                Err(harm) if harm.kind != "dead" && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(1))
                }
                Err(harm) => return Err(harm),
                Ok(()) => break,
            }
        }
        self.progress()?;
        match self.reader.faults().as_slice() {
            [] => Ok(()),
            faults => {
                let eintr = faults.iter().any(|&(fault, _)| fault == Fault::Interrupted);
                Err(Harm {
                    kind: if eintr { "EINTR" } else { "changed" },
                    what: format!("{faults:?}"),
                })
            }
        }
    }

    /// From outside.
    fn look(&self) -> Result<(), Harm> {
        let dead = |pid: &u32| process::stat(*pid).is_none_or(|stat| stat.state == 'Z');
        if let Some(pid) = self.before.pids().find(dead) {
            return Err(Harm {
                kind: "dead",
                what: format!("task {pid}"),
            });
        }
        let differences = self.before.differences(&Facts::of(self.pid()));
        if differences.is_empty() {
            return Ok(());
        }
        let what = differences.join("; ");
        Err(Harm {
            kind: kind(&what),
            what,
        })
    }

    /// Every worker gets through a whole round.
    fn progress(&self) -> Result<(), Harm> {
        let deadline = Instant::now() + PATIENCE;
        let start = self.reader.rounds(self.workers);
        loop {
            let now = self.reader.rounds(self.workers);
            if now.iter().zip(&start).all(|(now, start)| *now >= start + 2) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Harm {
                    kind: "stuck",
                    what: format!("rounds {start:?}, then {now:?}"),
                });
            }
            thread::sleep(Duration::from_micros(300));
        }
    }
}

fn is_victim(pid: u32) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe"));
    program.is_ok_and(|program| program.ends_with("victim-watch"))
}

/// What kind of harm a list of differences is.
fn kind(differences: &str) -> &'static str {
    let is = |words: &[&str]| words.iter().any(|word| differences.contains(word));
    if is(&["TracerPid"]) {
        "stuck"
    } else if is(&["SigBlk"]) {
        "masked"
    } else if is(&["mapping", "descriptor", "thread", "timers"]) {
        "leaked"
    } else {
        "changed"
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        process::kill_tree(self.child.id());
        process::kill_marked(self.dir.path());
    }
}
