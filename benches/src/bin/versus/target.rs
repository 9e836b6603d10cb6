//! The process that is dumped.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::NamedTempFile;

use crate::case::{Case, Thing};
use crate::error::Error;

/// What it writes when it has all that it should have.
const READY: &[u8] = b"ready\n";

/// A running target; it and its children are killed at the end.
pub struct Target {
    /// What it has much of.
    pub thing: Thing,
    child: Child,
    /// Its standard output: a file without a name would cost a dump more than others.
    output: NamedTempFile,
}

impl Target {
    /// Starts a target and waits until it has all that the case says.
    pub fn start(case: &Case) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(|source| Error::start("versus", source))?;
        let program = program.with_file_name("bench-target");
        let file = |source| Error::start("bench-target", source);
        // A file and no pipe: CRIU dumps no pipe that leads out of the tree.
        let output = NamedTempFile::new().map_err(file)?;
        let child = Command::new(program)
            .args([case.thing.name(), &case.amount.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.reopen().map_err(file)?)
            .stderr(Stdio::null())
            .spawn()
            .map_err(file)?;
        let mut target = Self {
            thing: case.thing,
            child,
            output,
        };
        while !fs::read(target.output.path())
            .map_err(file)?
            .starts_with(READY)
        {
            if let Ok(Some(_)) = target.child.try_wait() {
                return Err(Error::Target);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(target)
    }

    /// How much work a busy target has done, in its own units.
    pub fn work(&self) -> Result<u64, Error> {
        let path = self.output.path();
        let text = fs::read_to_string(path).map_err(Error::file(path))?;
        let count = text.lines().nth(1).and_then(|line| line.parse().ok());
        count.ok_or(Error::Target)
    }

    /// The process id of the root of the tree.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It leads a session, and with it the group that its children are in.
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        // Before it was ready it may have had no group of its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
