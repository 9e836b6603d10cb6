//! `criu restore`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Judge, JudgeError, Restored};
use crate::harness::{process, reaper};

impl Judge {
    /// Restore a dump, with CRIU's own defaults.
    pub fn restore(&self, images: &Path) -> Result<Restored, JudgeError> {
        self.restore_with(images, &[])
    }

    /// Restore a dump with further arguments of `criu restore`.
    ///
    /// Waits until every pid of the dumped tree is free: CRIU gives the tasks their old pids.
    pub fn restore_with(&self, images: &Path, arguments: &[&str]) -> Result<Restored, JudgeError> {
        reaper::adopt_orphans();
        let tree = self.decode(&images.join("pstree.img"))?;
        for pid in numbers(&tree, "pid")
            .into_iter()
            .chain(numbers(&tree, "threads"))
        {
            process::wait_until_free(pid);
        }
        self.restore_namespace(images, arguments)
    }

    /// Restore a dump of a tree in a pid namespace of its own, in which all pids are free.
    pub fn restore_namespace(
        &self,
        images: &Path,
        arguments: &[&str],
    ) -> Result<Restored, JudgeError> {
        self.restore_given(images, arguments, Stdio::null())
    }

    /// The same, with something as its standard input, for `--inherit-fd fd[0]:NAME`.
    pub fn restore_given(
        &self,
        images: &Path,
        arguments: &[&str],
        given: impl Into<Stdio>,
    ) -> Result<Restored, JudgeError> {
        self.run_restore(self.command("usr/sbin/criu"), images, arguments, given)
    }

    /// Restore a dump of a tree in a user namespace of its own. Its root is a mount of our own root
    /// with nothing mounted below it: what is, could not be left out by the restore. And it mounts a
    /// /proc, which the kernel allows in a user namespace where it sees a whole one.
    pub fn restore_below_mount(
        &self,
        images: &Path,
        arguments: &[&str],
    ) -> Result<Restored, JudgeError> {
        let root = tempfile::tempdir().expect("a temporary directory");
        let (command, root) = self.criu_below_mount(root.path());
        let arguments = [&["--root", &root], arguments].concat();
        self.run_restore(command, images, &arguments, Stdio::null())
    }

    /// CRIU with our own root directory as a mount on `root`, whose name comes back, too.
    pub(super) fn criu_below_mount(&self, root: &Path) -> (Command, String) {
        let criu = self.command("usr/sbin/criu");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c"])
            .arg(r#"mount --bind / "$0" && mount -t proc proc /proc && exec "$@""#)
            .arg(root)
            .arg(criu.get_program())
            .args(criu.get_args());
        (command, root.to_string_lossy().into_owned())
    }

    fn run_restore(
        &self,
        criu: Command,
        images: &Path,
        arguments: &[&str],
        given: impl Into<Stdio>,
    ) -> Result<Restored, JudgeError> {
        let work = tempfile::tempdir().expect("a temporary directory");
        self.restore_at_work(criu, (images, work.path()), arguments, given)
    }

    /// The same, with a directory for all that is no image.
    pub(super) fn restore_at_work(
        &self,
        mut criu: Command,
        (images, work): (&Path, &Path),
        arguments: &[&str],
        given: impl Into<Stdio>,
    ) -> Result<Restored, JudgeError> {
        reaper::adopt_orphans();
        let status = criu
            .args([
                "restore",
                "--no-default-config",
                "--restore-detached",
                "-v4",
            ])
            .args(["--log-file", "restore.log", "--pidfile", "root.pid"])
            .arg("--images-dir")
            .arg(images)
            .arg("--work-dir")
            .arg(work)
            .args(arguments)
            .stdin(given)
            .status();
        if !status.is_ok_and(|status| status.success()) {
            let log = fs::read_to_string(work.join("restore.log")).unwrap_or_default();
            return Err(JudgeError::Refused {
                verb: "criu restore".into(),
                log: complaints(&log),
            });
        }
        let pid = fs::read_to_string(work.join("root.pid")).expect("criu wrote the root's pid");
        Ok(Restored::new(
            pid.trim().parse().expect("a pid file holds a number"),
        ))
    }
}

/// Every number under `key` in an image's entries, be it one or a list.
fn numbers(image: &Value, key: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in image["entries"].as_array().into_iter().flatten() {
        match &entry[key] {
            Value::Array(list) => found.extend(list.iter().filter_map(Value::as_u64)),
            value => found.extend(value.as_u64()),
        }
    }
    found
        .into_iter()
        .filter_map(|number| u32::try_from(number).ok())
        .collect()
}

/// The lines of a CRIU log that say what went wrong, or its end.
fn complaints(log: &str) -> String {
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("Error")).collect();
    if errors.is_empty() {
        let lines: Vec<&str> = log.lines().collect();
        return lines[lines.len().saturating_sub(20)..].join("\n");
    }
    errors.join("\n")
}
