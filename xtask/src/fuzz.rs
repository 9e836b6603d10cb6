//! `cargo xtask fuzz`.

use std::fs;

use crate::run::{self, Error, command, is_there, root};

/// Run each fuzz target for a while (needs nightly Rust and cargo-fuzz).
#[derive(clap::Args)]
pub struct Args {
    /// Only this target.
    target: Option<String>,
    /// For how many seconds each.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Fuzz, target by target.
pub fn run(args: &Args) -> Result<(), Error> {
    if !is_there(command("cargo").args(["+nightly", "fuzz", "--version"])) {
        println!(
            "not fuzzed: that needs nightly Rust and cargo-fuzz \
             (rustup toolchain install nightly && cargo install cargo-fuzz)"
        );
        return Ok(());
    }
    let targets = targets()?;
    match &args.target {
        None => targets.iter().try_for_each(|target| fuzz(target, args)),
        Some(target) if targets.contains(target) => fuzz(target, args),
        Some(target) => Err(Error::Missing {
            what: format!("there is no fuzz target {target}"),
            remedy: format!("The targets are {}.", targets.join(", ")),
        }),
    }
}

/// Fuzz one target. What it finds to be interesting goes into the build directory; the corpus
/// only grows by hand.
fn fuzz(target: &str, args: &Args) -> Result<(), Error> {
    println!("fuzzing {target} for {} s", args.seconds);
    let found = root().join("fuzz/target/corpus").join(target);
    fs::create_dir_all(&found).map_err(Error::file(&found))?;
    let corpus = root().join("fuzz/corpus").join(target);
    let limit = format!("-max_total_time={}", args.seconds);
    // rustup's cargo picks the toolchain; the one that runs us is bound to its own.
    let mut fuzz = command("cargo");
    // What is fuzzed has no unsafe code of ours; without a sanitizer it is built and runs faster.
    fuzz.args(["+nightly", "fuzz", "run", "--sanitizer", "none", target]);
    fuzz.args([&found, &corpus])
        .args(["--", &limit, "-print_final_stats=1"]);
    for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        fuzz.env_remove(variable);
    }
    run::run(&mut fuzz)
}

/// Every file in `fuzz/fuzz_targets` is a target.
fn targets() -> Result<Vec<String>, Error> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(Error::file(&folder))? {
        let path = entry.map_err(Error::file(&folder))?.path();
        if let Some(name) = path.file_stem() {
            found.push(name.to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}
