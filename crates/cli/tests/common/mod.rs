//! What the tests of CRIU's command line share.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

/// A directory with a link to the binary that is named `criu`.
pub fn place() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    symlink(env!("CARGO_BIN_EXE_commensal"), dir.path().join("criu")).expect("a link");
    dir
}

/// An action script, or another program to run.
pub fn write_script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("own file");
}
