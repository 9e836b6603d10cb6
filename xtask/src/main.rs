//! The project's chores: `cargo xtask dump PID`, `test`, `bench`, `fuzz`, `sweep`, `ci`.
#![forbid(unsafe_code)]

mod bench;
mod demo;
mod dump;
mod fuzz;
mod leftovers;
mod run;
mod test;

use clap::{Parser, Subcommand};

use run::{Error, cargo, root};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    Dump(dump::Args),
    /// Fetch the judge (CRIU) and run every test.
    ///
    /// Says at the end which tests were skipped, and why.
    Test {
        /// Passed to the test runner, e.g. a part of a test's name.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    /// Kill the dumper at each of its system calls, and look at the target.
    Sweep {
        /// Passed to the sweep; see `cargo xtask sweep -- --help`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// All that CI does, as `.ci/run`.
    Ci,
    /// The sample program of `dump --demo`.
    #[command(hide = true)]
    CountUp,
}

fn main() -> miette::Result<()> {
    chore(Cli::parse().chore).map_err(miette::Report::new)
}

fn chore(chore: Chore) -> Result<(), Error> {
    match chore {
        Chore::Dump(args) => dump::run(&args),
        Chore::Test { args } => test::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Sweep { args } => sweep(&args),
        Chore::Ci => run::run(&mut run::command(root().join(".ci/run"))),
        Chore::CountUp => demo::count_up(),
    }
}

fn sweep(args: &[String]) -> Result<(), Error> {
    let binary = dump::build()?;
    test::build_victims()?;
    let package = [
        "run",
        "--quiet",
        "--package",
        "commensal-tests",
        "--bin",
        "sweep",
        "--",
    ];
    run::run(
        cargo()
            .args(package)
            .args(args)
            .env("COMMENSAL_BIN", binary),
    )
}
