//! Builds the parasite with cargo alone: no C compiler, no objcopy.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The flags the blob needs; DESIGN notes in ARCHITECTURE.md say why each.
const RUSTFLAGS: [&str; 10] = [
    "-Clinker=rust-lld",
    "-Clinker-flavor=ld.lld",
    "-Crelocation-model=pie",
    "-Crelro-level=off",
    "-Ctarget-cpu=x86-64",
    "-Cforce-frame-pointers=no",
    "-Clink-arg=--oformat=binary",
    "-Clink-arg=--no-dynamic-linker",
    "-Clink-arg=-static",
    "-Clink-arg=--build-id=none",
];

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parasite-asm");
    let abi = Path::new(env!("CARGO_MANIFEST_DIR")).join("../abi");
    for path in [
        source.join("src"),
        source.join("link.ld"),
        source.join("Cargo.toml"),
        abi,
    ] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let blob = build(&source, &out.join("parasite"));
    std::fs::copy(&blob, out.join("parasite.bin")).expect("the blob can be copied to OUT_DIR");
}

/// Runs cargo on the blob's own workspace; gives the path of the flat image.
fn build(source: &Path, target_dir: &Path) -> PathBuf {
    let mut flags = RUSTFLAGS.map(String::from).to_vec();
    flags.push(format!("-Clink-arg=-T{}", source.join("link.ld").display()));
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"));
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--target",
            TARGET,
        ])
        .arg("--manifest-path")
        .arg(source.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env_remove("RUSTFLAGS");
    // The outer build's wrappers (clippy, coverage) and profile are not meant
    // for the blob.
    for name in [
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(name);
    }
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PROFILE_") {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "building the parasite failed");
    target_dir.join(TARGET).join("release/parasite")
}
