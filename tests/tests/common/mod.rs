//! What the tests of bad input set up.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use commensal_tests::harness::{Dumper, Then, paths, wait_for};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

/// Another program that traces a task until this is dropped.
pub struct Tracer(Child);

impl Tracer {
    /// Returns when the task is traced.
    pub fn attach(pid: u32) -> Self {
        let mut child = Command::new(paths::victim("tracer"))
            .arg(pid.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tracer starts");
        let mut word = [0; 7];
        let stdout = child.stdout.as_mut().expect("its output is piped");
        stdout.read_exact(&mut word).expect("the tracer traces");
        assert_eq!(&word, b"tracing");
        Self(child)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("the tracer ends");
    }
}

/// A file system with room for the small images, not for the pages.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    pub fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        mount(
            "tmpfs",
            dir.path(),
            "tmpfs",
            MountFlags::empty(),
            c"size=1m",
        )
        .ok()?;
        Some(Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}

/// Start a dump with resume, its output piped.
pub fn start(pid: u32, images: &Path) -> Child {
    let mut command = Dumper::chosen().command(pid, images, Then::Resume);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("the dumper starts")
}

/// Wait until the dump has written so many files, or is over.
pub fn wait_for_progress(dumper: &mut Child, images: &Path, files: u32) {
    wait_for("a dump to get on", || {
        let count = fs::read_dir(images).map_or(0, Iterator::count);
        let ended = dumper.try_wait().expect("it is our child").is_some();
        (ended || count >= files as usize).then_some(())
    });
}
