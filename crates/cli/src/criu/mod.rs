//! CRIU's command line, with CRIU's meanings, defaults and exit codes.
//!
//! - `table`: one row an option; `settings`: what the rows set; `parse`: reading arguments and
//!   configuration files into them; `usage`: the help text, made from the table;
//! - `dump`, `check`, `dedup`: the commands; `scripts`: action scripts;
//! - `fallback`: everything else is handed to an installed CRIU.

mod check;
mod config;
mod dedup;
mod dump;
mod fallback;
mod mounts;
mod parse;
mod scripts;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod usage;
mod value;
mod workplace;

use std::ffi::OsString;
use std::process::ExitCode;

use parse::{Parsed, Stop};
use settings::Settings;

/// The version whose command line and images these are.
const CRIU_VERSION: &str = "4.2";

/// Carries out CRIU's command line, without the program's name.
pub fn run(mut args: Vec<OsString>) -> ExitCode {
    let other = match fallback::take_program(&mut args) {
        Ok(other) => other,
        Err(error) => return usage_error(&error),
    };
    let parsed = parse::command_line(&args);
    let command = parsed.command.clone().unwrap_or_default();
    match command.to_str() {
        Some("restore" | "lazy-pages" | "page-server" | "service" | "swrk") => {
            return fallback::exec(other, &command, &args);
        }
        Some("cpuinfo") => return fallback::exec(other, &command, &args),
        _ => {}
    }
    match settle(parsed) {
        Ok(settings) => match command.to_str() {
            Some("dump") => dump::run(settings),
            Some("pre-dump") => dump::run_pre_dump(settings),
            Some("dedup") => dedup::run(settings),
            Some("check") => check::run(settings),
            Some("exec" | "show") => {
                eprintln!(
                    "Error: the command {} has been removed from CRIU",
                    command.display()
                );
                // What CRIU's -1 becomes.
                ExitCode::from(255)
            }
            Some("") => usage_error("command is required"),
            _ => usage_error(&format!("unknown command: {}", command.display())),
        },
        Err(Stop::Help) => {
            usage::print();
            ExitCode::SUCCESS
        }
        Err(Stop::Version) => {
            println!("Version: {CRIU_VERSION}");
            println!("Implementation: commensal {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Err(Stop::Invalid(what)) => {
            eprintln!("Error: {what}");
            ExitCode::FAILURE
        }
        Err(Stop::Usage(what)) => usage_error(&what),
    }
}

/// The settings of configuration files and command line, or the reason to stop.
fn settle(parsed: Parsed) -> Result<Settings, Stop> {
    if parsed.help {
        return Err(Stop::Help);
    }
    let mut settings = Settings::default();
    for file in config::files(parsed.config.as_deref(), parsed.default_config) {
        parse::apply(config::read(&file)?, &mut settings)?;
    }
    parse::apply(parsed.options?, &mut settings)?;
    match parsed.excess {
        0 => Ok(settings),
        _ => Err(Stop::Usage("excessive parameters after the command".into())),
    }
}

fn usage_error(what: &str) -> ExitCode {
    eprintln!("Error: {what}");
    eprintln!("Try criu --help for more information");
    ExitCode::FAILURE
}
