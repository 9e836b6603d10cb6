//! One dump by one of the two, measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use commensal_images::messages::StatsEntry;
use commensal_images::{Image, SavedImages};
use tempfile::TempDir;
use wait4::Wait4;

use crate::error::Error;
use crate::target::Target;

/// Images go to a tmpfs, so that no disk is measured.
const TMPFS: &str = "/dev/shm";

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dumper {
    Commensal,
    Criu,
}

impl Dumper {
    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commensal => "commensal",
            Self::Criu => "CRIU",
        }
    }
}

/// A dumper's executable.
pub struct Program {
    pub dumper: Dumper,
    path: PathBuf,
}

/// What one dump cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From the first thread asked to stop to the last one released.
    pub frozen: Duration,
    /// From the start of the dumper's process to its end.
    pub total: Duration,
    /// The dumper's largest resident set, in bytes.
    pub memory: u64,
}

impl Program {
    /// The program at this path.
    pub fn new(dumper: Dumper, path: &Path) -> Self {
        Self {
            dumper,
            path: path.to_owned(),
        }
    }

    /// What it calls itself: its name and version.
    pub fn version(&self) -> Result<String, Error> {
        let output = Command::new(&self.path).arg("--version").output();
        let output = output.map_err(|source| Error::start(self.path.display(), source))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Dumps a target, which runs on. The images are deleted again.
    pub fn dump(&self, target: &Target) -> Result<Cost, Error> {
        let folder = TempDir::new_in(TMPFS).map_err(Error::file(Path::new(TMPFS)))?;
        let images = folder.path();
        let mut command = self.command(target, images);
        // What ours has to say, it says to whoever runs this; CRIU has a log.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if self.dumper == Dumper::Criu {
            command.stderr(Stdio::null());
        }
        let started = Instant::now();
        let child = command.spawn();
        let child = child.map_err(|source| Error::start(self.path.display(), source))?;
        let ended = child.wait4();
        let total = started.elapsed();
        let ended = ended.map_err(|source| Error::start(self.path.display(), source))?;
        if !ended.status.success() {
            let log = std::fs::read_to_string(images.join("dump.log")).unwrap_or_default();
            let lines = log.lines().filter(|line| line.contains("Error"));
            return Err(Error::Dump {
                program: self.path.display().to_string(),
                why: format!("{}\n{}", ended.status, lines.collect::<Vec<_>>().join("\n")),
            });
        }
        Ok(Cost {
            frozen: frozen(images)?,
            total,
            memory: ended.rusage.maxrss,
        })
    }

    fn command(&self, target: &Target, images: &Path) -> Command {
        let mut command = Command::new(&self.path);
        let pid = target.pid();
        match self.dumper {
            Dumper::Commensal => command
                .args(["dump", &pid.to_string(), "--then", "resume"])
                // CRIU would track writes with soft-dirty bits, which not every kernel has.
                .args(target.thing.is_pre_copied().then_some("--pre-copy")),
            Dumper::Criu => command
                .args(["dump", "--no-default-config", "--leave-running"])
                .args(["--tree", &pid.to_string(), "--log-file", "dump.log"]),
        };
        command.arg("--images-dir").arg(images);
        command
    }
}

/// How long the target was frozen: both programs write it into `stats-dump`.
fn frozen(images: &Path) -> Result<Duration, Error> {
    let stats: StatsEntry = SavedImages::open(images)?.one(Image::StatsDump)?;
    let dump = stats.dump.unwrap_or_default();
    // CRIU counts the frozen time from where freezing ends.
    let micros = u64::from(dump.freezing_time) + u64::from(dump.frozen_time);
    Ok(Duration::from_micros(micros))
}
