//! `cargo xtask dump PID`.

use std::path::PathBuf;
use std::process::Command;

use crate::demo::Demo;
use crate::run::{self, Error, cargo, target};

/// Checkpoint a running process; it runs on.
#[derive(clap::Args)]
pub struct Args {
    /// Start a small sample program, dump that, and say what to try next.
    #[arg(long)]
    demo: bool,
    /// The process, and further arguments of `commensal dump`, e.g. `--then kill`.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "demo"
    )]
    args: Vec<String>,
}

/// Build what is needed, dump, and for a demo explain.
pub fn run(args: &Args) -> Result<(), Error> {
    let binary = build()?;
    if !args.demo {
        return run::run(Command::new(binary).arg("dump").args(&args.args));
    }
    let demo = Demo::start()?;
    let pid = demo.pid().to_string();
    let mut dump = Command::new(binary);
    dump.args(["dump", &pid, "--images-dir"]).arg(demo.images());
    run::run(dump.args(&args.args))?;
    demo.explain();
    Ok(())
}

/// Build the program; where it is then.
pub fn build() -> Result<PathBuf, Error> {
    let package = ["--package", "commensal-cli"];
    run::run(
        cargo()
            .args(["build", "--quiet", "--release"])
            .args(package),
    )?;
    Ok(target().join("release/commensal"))
}
