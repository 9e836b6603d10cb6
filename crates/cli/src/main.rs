//! The command `commensal`, and CRIU's command line under the name `criu`.
//!
//! - `dump`: `commensal dump PID`;
//! - `destination`: where a dump goes, a directory or a stream;
//! - `extract`: `commensal extract`;
//! - `criu`: the command line of CRIU, for whatever drives CRIU;
//! - `report`: errors and figures, for a person;
//! - `progress`, `signals`, `log`: what both command lines share.
#![forbid(unsafe_code)]

mod criu;
mod destination;
mod dump;
mod extract;
mod log;
mod progress;
mod report;
mod signals;

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commensal_dump::Ahead;

/// Checkpoint running processes without harming them. The images are CRIU's: `criu restore`
/// brings the processes back.
#[derive(Parser)]
#[command(name = "commensal", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Dump(dump::Args),
    Extract(extract::Args),
    /// Take the command line of CRIU: `commensal criu dump -t PID -D DIR`.
    ///
    /// A link to this program that is named `criu` does the same.
    #[command(disable_help_flag = true)]
    Criu {
        /// CRIU's arguments; see `criu --help`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let mut args = env::args_os();
    let name = args.next().unwrap_or_default();
    if Path::new(&name)
        .file_name()
        .is_some_and(|name| name == "criu")
    {
        return criu::run(args.collect());
    }
    // Reading the command line takes a fifth of the time of a small dump.
    let ahead = args.next().is_some_and(|command| command == "dump");
    let ahead = ahead.then(Ahead::begin);
    match Cli::parse().command {
        Command::Dump(args) => dump::run(args, ahead.unwrap_or_else(Ahead::begin)),
        Command::Extract(args) => extract::run(&args),
        Command::Criu { args } => criu::run(args),
    }
}
