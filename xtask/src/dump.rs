//! `cargo xtask dump PID`.

use std::path::PathBuf;
use std::process::{Command, exit};

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
    let mut dump = Command::new(binary);
    dump.arg("dump");
    if !args.demo {
        return end_as(run::run(dump.args(&args.args)));
    }
    let mut demo = Demo::start()?;
    dump.arg(demo.pid().to_string());
    dump.arg("--images-dir").arg(demo.images()).args(&args.args);
    let dumped = run::run(&mut dump);
    match dumped {
        Ok(()) => demo.explain(),
        Err(_) => demo.end(),
    }
    end_as(dumped)
}

/// A dump that fails has said why: its exit status is ours.
fn end_as(dumped: Result<(), Error>) -> Result<(), Error> {
    match dumped {
        Err(Error::Failed { status, .. }) => exit(status.code().unwrap_or(1)),
        other => other,
    }
}

/// Build the program; where it is then. It is linked statically where the C library can be: to load
/// shared ones takes as long as a tenth of the dump of a small task.
pub fn build() -> Result<PathBuf, Error> {
    let program = ["--package", "commensal-cli", "--bin", "commensal"];
    let mut build = cargo();
    build.args(["rustc", "--release"]).args(program);
    if ["libc.a", "libgcc_eh.a"].into_iter().all(is_installed) {
        build.args(["--", "-C", "target-feature=+crt-static"]);
    }
    run::run(&mut build)?;
    Ok(target().join("release/commensal"))
}

/// Whether the linker finds a library.
fn is_installed(library: &str) -> bool {
    let asked = Command::new("cc")
        .arg(format!("-print-file-name={library}"))
        .output();
    // Of what it does not find it says the name alone.
    asked.is_ok_and(|said| said.status.success() && said.stdout.starts_with(b"/"))
}
