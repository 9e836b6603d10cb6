//! Fetches the judge, so that the tests find it ready, or says why there is none.

use std::process::ExitCode;

use commensal_tests::{judge::Judge, skip};

fn main() -> ExitCode {
    match Judge::get() {
        Ok(judge) => {
            println!("judge: {}", judge.version());
            ExitCode::SUCCESS
        }
        Err(reason) => {
            println!("{reason}");
            if skip::is_forbidden() {
                println!("The tests need it; only outside of CI may they be skipped.");
                ExitCode::FAILURE
            } else {
                println!("Every test that restores or decodes images will be skipped.");
                ExitCode::SUCCESS
            }
        }
    }
}
