//! commensal against CRIU: the same targets, dumped in turn by both, in one run.
//!
//! - `case`: what is dumped, for the table and for the plots;
//! - `target`: the process that is dumped;
//! - `dumper`: one dump by one of the two, measured;
//! - `figures`: medians and ratios of many dumps;
//! - `table`, `plot`: what is made of them;
//! - `work`: how much less a busy target does while it is dumped.
#![forbid(unsafe_code)]

mod case;
mod dumper;
mod error;
mod figures;
mod plot;
mod table;
mod target;
mod work;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::Parser;

use case::Case;
use dumper::{Dumper, Program};
use error::Error;
use figures::Comparison;
use target::Target;

/// Set once we are in a mount namespace of our own.
const INSIDE: &str = "COMMENSAL_VERSUS_INSIDE";

/// Dump the same processes with commensal and with CRIU, in turn, and compare.
#[derive(Parser)]
struct Args {
    /// CRIU's executable.
    criu: PathBuf,
    /// Ours.
    #[arg(long)]
    commensal: PathBuf,
    /// Dumps of each case by each program; half as many for the plots.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Only the cases whose names have this in them.
    #[arg(long)]
    only: Option<String>,
    /// Run both, and the targets, ahead of everything else on the machine (`SCHED_RR`): for one
    /// that is not quiet.
    #[arg(long)]
    realtime: bool,
    /// Write how the cost grows into this folder, as SVG and CSV.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

fn main() -> miette::Result<()> {
    run(&Args::parse()).map_err(miette::Report::new)
}

fn run(args: &Args) -> Result<(), Error> {
    if std::env::var_os(INSIDE).is_none() {
        return Err(enter_namespace(args));
    }
    let programs = [
        Program::new(Dumper::Criu, &args.criu),
        Program::new(Dumper::Commensal, &args.commensal),
    ];
    let wanted = |case: &Case| {
        args.only
            .as_ref()
            .is_none_or(|part| case.name().contains(part))
    };
    let mut table = Vec::new();
    for case in Case::table().into_iter().filter(wanted) {
        table.push(compare(case, &programs, args.rounds)?);
    }
    if !table.is_empty() {
        table::print(&table, &programs)?;
    }
    if wanted(&Case::busy()) {
        work::compare(&programs, args.rounds)?;
    }
    if let Some(folder) = &args.plots {
        let rounds = args.rounds.div_ceil(2);
        let mut growth = Vec::new();
        for case in Case::growth().into_iter().filter(wanted) {
            growth.push(compare(case, &programs, rounds)?);
        }
        plot::write(folder, &growth)?;
        table::write_csv(&folder.join("table.csv"), &table)?;
        table::write_csv(&folder.join("growth.csv"), &growth)?;
    }
    Ok(())
}

/// Dumps one target with both programs, pair by pair; it runs on each time.
fn compare(case: Case, programs: &[Program; 2], rounds: usize) -> Result<Comparison, Error> {
    eprintln!("{}", case.name());
    let target = Target::start(&case)?;
    let mut comparison = Comparison::new(case);
    // The first pair finds caches cold, on both sides; it does not count.
    for round in 0..=rounds {
        for program in programs {
            let cost = program.dump(&target)?;
            if round > 0 {
                comparison.add(program.dumper, cost);
            }
        }
    }
    Ok(comparison)
}

/// Starts again in a mount namespace of our own with a tmpfs on /run, where CRIU keeps what it
/// found out about the kernel: it would find it out in each dump otherwise, which takes 200 ms.
fn enter_namespace(args: &Args) -> Error {
    // Descriptors that we inherited lead to mounts outside; a target with one cannot be dumped.
    const SCRIPT: &str = "mount -t tmpfs none /run || exit
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ \"$fd\" -le 2 ] || eval \"exec $fd>&-\"
        done
        exec \"$@\"";
    const CHRT: &[&str] = &["chrt", "--rr", "1"];
    let program = std::env::current_exe().unwrap_or_else(|_| "versus".into());
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "bash", "-c", SCRIPT, "bash"])
        .args(if args.realtime { CHRT } else { &[] })
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1");
    Error::start("unshare", command.exec())
}
