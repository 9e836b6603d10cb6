//! A running victim.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::victim::EINTR_ALLOWED;

use super::{Look, Program, process, reaper, wait_for};

/// A victim in a session of its own, its output in a file; killed when dropped.
#[derive(Debug)]
pub struct Target {
    child: Child,
    steady: bool,
    dir: TempDir,
}

impl Target {
    /// Start a program and wait for its first round.
    pub fn spawn(program: &Program) -> Self {
        Self::start(program, &mut Command::new("setsid"))
    }

    /// The same for a victim that will go through a restore, see [`EINTR_ALLOWED`].
    pub fn spawn_for_restore(program: &Program) -> Self {
        Self::start(program, Command::new("setsid").env(EINTR_ALLOWED, "1"))
    }

    fn start(program: &Program, setsid: &mut Command) -> Self {
        reaper::adopt_orphans();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.path().join("log"))
            .expect("a new log");
        // setsid(1) runs the program in its own process, which never is a group leader here.
        let child = setsid
            .arg(&program.path)
            .args(&program.arguments)
            .current_dir(dir.path())
            .env(process::MARK, dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second descriptor"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.path.display()));
        let target = Self {
            child,
            steady: program.steady,
            dir,
        };
        target.wait_rounds(2);
        target
    }

    /// The victim's first task.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A folder that lives as long as the victim, its working directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A new, empty folder for images.
    pub fn images_dir(&self, name: &str) -> PathBuf {
        let images = self.dir().join(name);
        fs::create_dir(&images).expect("a new folder");
        images
    }

    /// Wait until the victim has gone through `count` more rounds with its state right.
    ///
    /// # Panics
    ///
    /// When it reports a fault, or is gone.
    pub fn wait_rounds(&self, count: u64) {
        let goal = self.round() + count;
        wait_for(&format!("round {goal} of pid {}", self.pid()), || {
            let round = self.round();
            let alive = process::stat(self.pid()).is_some_and(|stat| stat.state != 'Z');
            assert!(
                alive,
                "pid {} ended in round {round}: {}",
                self.pid(),
                self.log()
            );
            (round >= goal).then_some(())
        });
    }

    /// The last round it has told of.
    ///
    /// # Panics
    ///
    /// When it reports a fault.
    pub fn round(&self) -> u64 {
        let log = self.log();
        let complete = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let mut last = 0;
        for line in complete.lines() {
            match line.split_once(' ') {
                Some(("round", number)) => {
                    last = number.parse().expect("a victim counts its rounds")
                }
                // A fault is more than a line long.
                _ => panic!("pid {} says: {complete}", self.pid()),
            }
        }
        last
    }

    /// How it looks from outside, where that is the same in every round.
    pub fn look(&self) -> Option<Look> {
        self.steady.then(|| Look::at(self.pid()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir().join("log")).expect("the log is readable")
    }

    /// Wait until the whole tree is gone, as after a dump that kills.
    pub fn wait_gone(&self) {
        process::wait_until_free(self.pid());
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        process::kill_tree(self.pid());
        process::kill_marked(self.dir.path());
    }
}
