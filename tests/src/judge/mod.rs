//! The judge is not ours: CRIU and crit as Debian's unstable suite packages them.
//!
//! Fetched with apt into `target/judge` (nothing is installed) and started through their
//! own dynamic loader, so that they run on older systems too.

mod apt;
mod crit;
mod criu;
mod lazy_pages;
mod page_server;
mod restored;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use lazy_pages::{LazyPages, PagesFrom};
pub use page_server::PageServer;
pub use restored::Restored;

use crate::harness::paths;

/// CRIU and crit, ready to run.
#[derive(Debug)]
pub struct Judge {
    root: PathBuf,
}

/// Why there is no judge, or what it said when something went wrong.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The machine has no apt, or apt knows no Debian mirror.
    #[error("no judge: {0}")]
    Unavailable(String),
    /// A command of the fetch could not be run, or failed.
    #[error("no judge: {command} failed: {output}")]
    Fetch {
        /// Program and arguments.
        command: String,
        /// What it printed.
        output: String,
    },
    /// The judge refused the images.
    #[error("{verb} failed: {log}")]
    Refused {
        /// `criu restore` or `crit decode`.
        verb: String,
        /// The lines of its log that say why.
        log: String,
    },
}

impl Judge {
    /// Fetch the judge on first use; later calls and other test processes find it ready.
    pub fn get() -> Result<&'static Self, &'static JudgeError> {
        static JUDGE: OnceLock<Result<Judge, JudgeError>> = OnceLock::new();
        JUDGE
            .get_or_init(|| apt::fetch(&paths::target().join("judge")).map(|root| Self { root }))
            .as_ref()
    }

    /// A command that runs `program` (a path inside the unpacked packages) with their loader
    /// and libraries.
    fn command(&self, program: &str) -> Command {
        let libraries = self.path("usr/lib/x86_64-linux-gnu");
        let mut command = Command::new(libraries.join("ld-linux-x86-64.so.2"));
        command
            .arg("--library-path")
            .arg(&libraries)
            .arg(self.path(program));
        command
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// What the judge calls itself, e.g. `CRIU 4.2.1`.
    pub fn version(&self) -> String {
        let output = self.command("usr/sbin/criu").arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        text.unwrap_or_else(|error| error.to_string())
            .replace("Version:", "CRIU")
            .trim()
            .to_owned()
    }

    /// Run `criu dump` on a tree: the tests' own check, see `COMMENSAL_TEST_DUMPER`.
    pub fn criu_dump(&self, pid: u32, images: &Path) -> Command {
        let mut command = self.command("usr/sbin/criu");
        command.args(["dump", "--no-default-config", "-v4", "-o", "dump.log"]);
        command
            .arg("--tree")
            .arg(pid.to_string())
            .arg("--images-dir")
            .arg(images);
        command
    }
}
