//! Commands that commensal does not have are carried out by an installed CRIU.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Names the program that other commands are handed to.
const VARIABLE: &str = "COMMENSAL_CRIU_BIN";

/// Takes our own `--criu-bin PROGRAM` out of CRIU's arguments.
pub fn take_program(args: &mut Vec<OsString>) -> Result<Option<OsString>, String> {
    let mut program = env::var_os(VARIABLE).filter(|path| !path.is_empty());
    let mut end = args
        .iter()
        .position(|arg| arg == "--")
        .unwrap_or(args.len());
    let mut at = 0;
    while at < end {
        let attached = args[at]
            .to_str()
            .and_then(|arg| arg.strip_prefix("--criu-bin="))
            .map(OsString::from);
        if attached.is_some() {
            program = attached;
            args.remove(at);
            end -= 1;
        } else if args[at] == "--criu-bin" {
            if at + 1 == end {
                return Err("option --criu-bin needs the path of a criu".into());
            }
            program = args.drain(at..at + 2).next_back();
            end -= 2;
        } else {
            at += 1;
        }
    }
    Ok(program)
}

/// Becomes `program`, with all arguments as they are. Returns only if that fails.
pub fn exec(program: Option<OsString>, command: &OsStr, args: &[OsString]) -> ExitCode {
    let command = command.display();
    let Some(program) = program else {
        eprintln!(
            "Error: commensal has no command {command} of its own.\n\
             To hand it to CRIU, install criu (4.2 or newer) and name it with \
             --criu-bin PATH or the environment variable {VARIABLE}."
        );
        return ExitCode::FAILURE;
    };
    let error = Command::new(&program).args(args).exec();
    eprintln!(
        "Error: {command} is left to {}, which cannot be run: {error}",
        program.display()
    );
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(args: &[&str]) -> (Result<Option<OsString>, String>, Vec<OsString>) {
        let mut args = args.iter().map(OsString::from).collect();
        (take_program(&mut args), args)
    }

    #[test]
    fn the_program_is_taken_out_and_nothing_else() {
        for args in [
            ["--criu-bin", "/x/criu", "restore", "-d"].as_slice(),
            ["restore", "--criu-bin=/x/criu", "-d"].as_slice(),
            ["restore", "-d", "--criu-bin", "/x/criu"].as_slice(),
        ] {
            let (program, rest) = taken(args);
            assert_eq!(program, Ok(Some("/x/criu".into())), "{args:?}");
            assert_eq!(rest, ["restore", "-d"], "{args:?}");
        }
        assert!(taken(&["restore", "--criu-bin"]).0.is_err());
    }

    #[test]
    fn what_follows_two_dashes_is_left_alone() {
        let (_, rest) = taken(&["restore", "--", "prog", "--criu-bin=/x"]);
        assert_eq!(rest, ["restore", "--", "prog", "--criu-bin=/x"]);
    }
}
