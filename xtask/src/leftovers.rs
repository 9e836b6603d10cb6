//! What the tests leave running, which is nothing: a test ends what it started and restored.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::Error;

/// The environment variable by which the processes of a run are known, restored ones included.
const NAME: &str = "COMMENSAL_TEST_RUN";
/// The test runner's name of a test, in the environment of what the test starts.
const TEST: &str = "NEXTEST_TEST_NAME=";
/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A run of the tests.
pub struct Run {
    id: String,
}

impl Run {
    /// One that is told from all others.
    pub fn new() -> Self {
        let started = fs::metadata("/proc/self").map_or(0, |this| this.ctime_nsec());
        let id = format!("{}.{started}", std::process::id());
        Self { id }
    }

    /// The variable for the environment of the tests.
    pub fn mark(&self) -> (&'static str, &str) {
        (NAME, &self.id)
    }

    /// Wait until nothing of the run is left; what does not end is killed, and an error.
    pub fn assert_over(&self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.left();
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::LeftBehind {
                    list: left.into_iter().map(kill).collect::<Vec<_>>().join("\n"),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The processes of the run, with their environments.
    fn left(&self) -> Vec<(Pid, Vec<String>)> {
        let mark = format!("{NAME}={}", self.id);
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(Pid::from_raw)
            .map(|pid| (pid, strings(pid, "environ")))
            .filter(|(_, environment)| environment.contains(&mark))
            .collect()
    }
}

/// The strings of a file of `/proc/PID`; none where the process is gone.
fn strings(pid: Pid, file: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{}/{file}", pid.as_raw_pid())).unwrap_or_default();
    let strings = bytes.split(|&byte| byte == 0);
    strings
        .map(|string| String::from_utf8_lossy(string).into_owned())
        .collect()
}

/// Kill it, and say what it was.
fn kill((pid, environment): (Pid, Vec<String>)) -> String {
    let command = strings(pid, "cmdline").join(" ");
    let test = environment
        .iter()
        .find_map(|value| value.strip_prefix(TEST));
    // It may have ended meanwhile.
    let _ = kill_process(pid, Signal::KILL);
    let pid = pid.as_raw_pid();
    format!(
        "{pid} {} of {}",
        command.trim_end(),
        test.unwrap_or("a test")
    )
}
