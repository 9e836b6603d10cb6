//! The program under test: `commensal dump`, through its command line only.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::paths;
use crate::judge::Judge;

/// What happens to the tree after the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It runs on.
    Resume,
    /// It is left stopped.
    Stop,
    /// It is killed.
    Kill,
}

/// Which program dumps: ours, or CRIU's with `COMMENSAL_TEST_DUMPER=criu`, which shows that
/// a test asks for what CRIU does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dumper {
    /// The binary under test.
    Commensal,
    /// The judge itself.
    Criu,
}

/// A complete dump.
#[derive(Debug)]
pub struct Dump {
    /// What `--json` printed; null for CRIU.
    pub summary: Value,
    /// What it said on stderr.
    pub message: String,
}

/// A dump that did not succeed.
#[derive(Debug)]
pub struct DumpFailure {
    /// Exit code; `None` when a signal ended the dumper.
    pub code: Option<i32>,
    /// What it said on stderr.
    pub message: String,
}

impl Dumper {
    /// The one this run of the tests is about.
    pub fn chosen() -> Self {
        match std::env::var("COMMENSAL_TEST_DUMPER").as_deref() {
            Ok("criu") => Self::Criu,
            Ok(other) => panic!("COMMENSAL_TEST_DUMPER={other}: only criu is known"),
            Err(_) => Self::Commensal,
        }
    }

    /// The command that dumps `pid` into `images`.
    pub fn command(self, pid: u32, images: &Path, then: Then) -> Command {
        match self {
            Self::Commensal => {
                let mut command = Command::new(paths::commensal());
                command
                    .arg("dump")
                    .arg(pid.to_string())
                    .arg("--images-dir")
                    .arg(images);
                command.args(["--json", "--then"]).arg(match then {
                    Then::Resume => "resume",
                    Then::Stop => "stop",
                    Then::Kill => "kill",
                });
                command
            }
            Self::Criu => {
                let judge = Judge::get().expect("dumping with the judge needs the judge");
                let mut command = judge.criu_dump(pid, images);
                match then {
                    Then::Resume => command.arg("--leave-running"),
                    Then::Stop => command.arg("--leave-stopped"),
                    Then::Kill => &mut command,
                };
                command
            }
        }
    }

    /// Dump `pid` into `images` with further arguments, and wait for the end.
    pub fn run(
        self,
        pid: u32,
        images: &Path,
        then: Then,
        arguments: &[&str],
    ) -> Result<Dump, DumpFailure> {
        let output = self
            .command(pid, images, then)
            .args(arguments)
            .output()
            .expect("the dumper starts");
        self.outcome(&output)
    }

    /// What a finished dumper said.
    pub fn outcome(self, output: &Output) -> Result<Dump, DumpFailure> {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(DumpFailure {
                code: output.status.code(),
                message,
            });
        }
        let summary = match self {
            Self::Commensal => serde_json::from_slice(&output.stdout).expect("--json prints JSON"),
            Self::Criu => Value::Null,
        };
        Ok(Dump { summary, message })
    }
}

/// Whether a directory could be mistaken for a complete dump.
pub fn looks_complete(images: &Path) -> bool {
    images.join("inventory.img").exists()
}
