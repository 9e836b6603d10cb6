//! `cargo xtask bench`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dump;
use crate::run::{self, Error, cargo, target};

/// Run the benches, or compare with CRIU.
#[derive(clap::Args)]
pub struct Args {
    /// Compare with this CRIU: dump the same processes with both, in turn. As root.
    #[arg(long, value_name = "CRIU_BINARY")]
    vs: Option<PathBuf>,
    /// Passed to the benches (`--quick`, a part of a name), or with --vs to the comparison
    /// (`--rounds 7`, `--only memory`, `--plots DIR`).
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Build what is needed, and measure.
pub fn run(args: &Args) -> Result<(), Error> {
    let package = ["--package", "commensal-benches"];
    let Some(criu) = &args.vs else {
        let mut bench = cargo();
        bench.arg("bench").args(package).arg("--").args(&args.args);
        return run::run(&mut bench);
    };
    let built = dump::build()?;
    let build = ["build", "--quiet", "--release", "--bins"];
    run::run(cargo().args(build).args(package))?;
    let commensal = installed(&built)?;
    let mut versus = run::command(target().join("release/versus"));
    versus.arg(criu).arg("--commensal").arg(commensal);
    run::run(versus.args(&args.args))
}

/// The program as an installation leaves it: copied. What a linker has just written is kept in small pieces by the
/// kernel, which makes a small dump by it take a tenth longer than by a copy.
fn installed(built: &Path) -> Result<PathBuf, Error> {
    let folder = target().join("bench");
    let copy = folder.join("commensal");
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    // Not over the old one, which may be running.
    let _ = fs::remove_file(&copy);
    fs::copy(built, &copy).map_err(Error::file(&copy))?;
    // What a build has written is not to be on its way to the disk while something is measured.
    run::run(&mut run::command("sync"))?;
    Ok(copy)
}
