//! Tests that cannot run here say so, in a file that `cargo xtask test` prints at its end.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::paths;

/// Whether a missing judge, privilege or program fails the test instead of skipping it:
/// `COMMENSAL_REQUIRE_JUDGE=1`, or a CI machine (`CI=true`).
pub fn is_forbidden() -> bool {
    let is = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value == wanted);
    is("COMMENSAL_REQUIRE_JUDGE", "1") || is("CI", "true")
}

/// Where skipped tests are listed, one `name: reason` a line.
pub fn list() -> PathBuf {
    paths::target().join("skipped-tests.txt")
}

/// Record that the running test is skipped for want of something that can be had.
///
/// # Panics
///
/// Where skipping [is forbidden](is_forbidden).
pub fn skip(reason: &str) {
    assert!(!is_forbidden(), "may not be skipped here: {reason}");
    skip_here(reason);
}

/// Record that the running test is skipped for what this kernel or container lacks.
pub fn skip_here(reason: &str) {
    let line = format!("{}: {reason}\n", running_test());
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(list())
        .expect("the target directory is writable");
    file.write_all(line.as_bytes())
        .expect("the list of skipped tests is writable");
    // Written past the test runner, which would swallow `eprintln!`.
    let _ = write!(std::io::stderr().lock(), "skipped {line}");
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a user namespace can be made here, with any map.
pub fn can_have_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let first = map.split_whitespace().eq(["0", "0", "4294967295"]);
    let made = Command::new("unshare").args(["--user", "true"]).status();
    first && made.is_ok_and(|status| status.success())
}

/// `file::test` of the test that runs on this thread.
fn running_test() -> String {
    let executable = std::env::current_exe().unwrap_or_default();
    let stem = executable
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    // Cargo adds a hash to the name of a test executable.
    let file = stem
        .rsplit_once('-')
        .map_or(stem.as_str(), |(name, _)| name);
    format!(
        "{file}::{}",
        std::thread::current().name().unwrap_or("a test")
    )
}

/// The judge, or leave the test with a recorded reason.
#[macro_export]
macro_rules! judge_or_skip {
    () => {{
        $crate::need_or_skip!($crate::skip::is_root(), "criu restore needs root");
        match $crate::judge::Judge::get() {
            Ok(judge) => judge,
            Err(reason) => return $crate::skip::skip(&reason.to_string()),
        }
    }};
}

/// Leave the test with a recorded reason unless this kernel or container has what it takes.
#[macro_export]
macro_rules! machine_or_skip {
    ($condition:expr, $reason:expr) => {
        if !$condition {
            return $crate::skip::skip_here($reason);
        }
    };
}

/// Leave the test with a recorded reason unless the condition holds.
#[macro_export]
macro_rules! need_or_skip {
    ($condition:expr, $reason:expr) => {
        if !$condition {
            return $crate::skip::skip($reason);
        }
    };
}

/// Whether the kernel's records of tasks can be read here (BPF iterators): not in a pid namespace, whose ids
/// are others.
pub fn can_read_records() -> bool {
    /// `PROC_PID_INIT_INO` (linux/proc_ns.h).
    const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
    let inode = |path| std::fs::metadata(path).map(|meta| meta.ino());
    is_root()
        && inode("/proc/self/ns/pid").is_ok_and(|inode| inode == FIRST_PID_NAMESPACE)
        && std::path::Path::new("/sys/kernel/btf/vmlinux").exists()
}
