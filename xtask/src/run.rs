//! Starting other programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Why a chore was not done.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    #[diagnostic(help("Is it installed, and in PATH?"))]
    Start {
        program: String,
        source: std::io::Error,
    },
    /// A program ended badly; it has said why itself.
    #[error("{program} ended with {status}")]
    Failed { program: String, status: ExitStatus },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        path: String,
        source: std::io::Error,
    },
    /// Processes that tests should have ended.
    #[error("the tests left running (killed now):\n{list}")]
    #[diagnostic(help("Give what starts them a guard that ends them when it is dropped."))]
    LeftBehind { list: String },
    /// Something else is needed first.
    #[error("{what}")]
    #[diagnostic(help("{remedy}"))]
    Missing { what: String, remedy: String },
}

impl Error {
    /// An error of a file operation.
    pub fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { path, source }
    }
}

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask is in the workspace").to_owned()
}

/// Where cargo builds: this program is in `target/PROFILE`.
pub fn target() -> PathBuf {
    let executable = std::env::current_exe().expect("a program knows its own path");
    let target = executable.parent().and_then(Path::parent);
    target.expect("cargo runs it in target/PROFILE").to_owned()
}

/// A command that runs in the workspace's root.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Run to the end, which must be a good one.
pub fn run(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().display().to_string();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::Failed { program, status }),
        Err(source) => Err(Error::Start { program, source }),
    }
}

/// Whether a program can be run at all, with these arguments.
pub fn is_there(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
