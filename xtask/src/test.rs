//! `cargo xtask test`.

use std::fs;

use crate::dump;
use crate::leftovers::Run;
use crate::run::{self, Error, cargo, is_there, target};

/// Build what the tests use, fetch the judge, run them all, list what was skipped. Nothing may be
/// left running.
pub fn run(args: &[String]) -> Result<(), Error> {
    let binary = dump::build()?;
    let nextest = is_there(cargo().args(["nextest", "--version"]));
    let runner = || {
        let mut runner = cargo();
        if nextest {
            runner.args(["nextest", "run", "--workspace"]);
        } else {
            runner.args(["test", "--workspace", "--all-targets"]);
        }
        runner
    };
    // Apart, so that the tests' mark is on nothing that a compiler leaves running for itself. It
    // builds the victims, too.
    run::run(runner().arg("--no-run"))?;
    let skipped = target().join("skipped-tests.txt");
    // Left over from an earlier run, or not there.
    let _ = fs::remove_file(&skipped);
    // Says itself why there is no judge; the tests that need it are listed below.
    run::run(&mut run::command(target().join("debug/fetch-judge")))?;

    let this = Run::new();
    let (name, id) = this.mark();
    let mut tests = runner();
    tests.arg("--no-fail-fast").args(args);
    let tests = run::run(tests.env(name, id).env("COMMENSAL_BIN", binary));
    let over = this.assert_over();
    let examples = if args.is_empty() {
        run::run(cargo().args(["test", "--workspace", "--doc", "--quiet"]))
    } else {
        Ok(())
    };
    if let Ok(list) = fs::read_to_string(&skipped) {
        println!("skipped, {} of the tests:\n{list}", list.lines().count());
    }
    tests.and(examples).and(over)
}

/// Build the programs that the tests dump.
pub fn build_victims() -> Result<(), Error> {
    run::run(cargo().args(["build", "--quiet", "--package", "commensal-tests", "--bins"]))
}
