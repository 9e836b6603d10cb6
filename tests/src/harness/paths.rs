//! Where things were built.

use std::path::{Path, PathBuf};

/// The build directory (`target`).
pub fn target() -> PathBuf {
    let profile = profile();
    profile
        .parent()
        .expect("a profile folder is inside the target folder")
        .to_owned()
}

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("tests is in the workspace").to_owned()
}

/// A victim among this package's binaries.
pub fn victim(name: &str) -> PathBuf {
    let path = profile().join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo xtask test`",
        path.display()
    );
    path
}

/// A script of `tests/programs`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("programs")
        .join(name)
}

/// The binary under test: `COMMENSAL_BIN`, or the release build.
pub fn commensal() -> PathBuf {
    let path = std::env::var_os("COMMENSAL_BIN")
        .map_or_else(|| target().join("release/commensal"), PathBuf::from);
    assert!(
        path.exists(),
        "{} is not built: run `cargo xtask test`",
        path.display()
    );
    path
}

/// `target/PROFILE`: test executables live in its `deps`, binaries right in it.
fn profile() -> PathBuf {
    let executable = std::env::current_exe().expect("a test knows its own path");
    let folder = executable.parent().expect("a file is in a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("deps is in a profile folder")
    } else {
        folder
    }
    .to_owned()
}
