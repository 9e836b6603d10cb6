//! A control group that can be frozen.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use commensal_tests::harness::{process, wait_for};

/// A group of its own, removed when dropped; its tasks must have ended by then.
pub struct Group {
    dir: PathBuf,
    version: u32,
}

impl Group {
    /// A new group of every version of control groups that this machine has with a freezer.
    pub fn of_every_version() -> Vec<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
        let mut groups = Vec::new();
        for version in [1, 2] {
            let mount = mounts.lines().find_map(|line| {
                let (place, kind) = line.split_once(" - ")?;
                let here = match version {
                    1 => kind.starts_with("cgroup ") && kind.ends_with("freezer"),
                    _ => kind.starts_with("cgroup2 "),
                };
                here.then(|| place.split(' ').nth(4))?
            });
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("commensal-test-{}-{number}", std::process::id());
            let dir = mount.map(|mount| Path::new(mount).join(name));
            if let Some(dir) = dir.filter(|dir| fs::create_dir(dir).is_ok()) {
                groups.push(Self { dir, version });
            }
        }
        groups
    }

    /// Its directory.
    pub fn dir(&self) -> &str {
        self.dir.to_str().expect("a name of ours")
    }

    /// Moves a process and its descendants into it, of which some may end meanwhile.
    pub fn add(&self, root: u32) {
        wait_for("a tree to be in its group", || {
            let inside = self.processes();
            let mut outside = process::tree(root);
            outside.retain(|pid| {
                let lives = process::stat(*pid).is_some_and(|stat| stat.state != 'Z');
                lives && !inside.contains(pid)
            });
            for pid in &outside {
                let _ = fs::write(self.dir.join("cgroup.procs"), pid.to_string());
            }
            outside.is_empty().then_some(())
        });
    }

    /// The ids of the processes in it.
    pub fn processes(&self) -> Vec<u32> {
        let list = fs::read_to_string(self.dir.join("cgroup.procs")).expect("a list");
        list.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Freezes it and waits until it is.
    pub fn freeze(&self) {
        let (file, command) = match self.version {
            1 => ("freezer.state", "FROZEN"),
            _ => ("cgroup.freeze", "1"),
        };
        fs::write(self.dir.join(file), command).expect("a freezer");
        wait_for("a group to freeze", || self.is_frozen().then_some(()));
    }

    /// Lets its processes run.
    pub fn thaw(&self) {
        let (file, command) = match self.version {
            1 => ("freezer.state", "THAWED"),
            _ => ("cgroup.freeze", "0"),
        };
        fs::write(self.dir.join(file), command).expect("a freezer");
    }

    /// Whether all of its processes stand still.
    pub fn is_frozen(&self) -> bool {
        match self.version {
            1 => self.says("freezer.state", "FROZEN"),
            _ => self.says("cgroup.events", "frozen 1"),
        }
    }

    /// Whether it is not frozen and will not be.
    pub fn is_thawed(&self) -> bool {
        match self.version {
            1 => self.says("freezer.state", "THAWED"),
            _ => self.says("cgroup.freeze", "0"),
        }
    }

    fn says(&self, file: &str, line: &str) -> bool {
        let text = fs::read_to_string(self.dir.join(file)).expect("a file of the group");
        text.lines().any(|found| found == line)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        wait_for("the group to be empty", || fs::remove_dir(&self.dir).ok());
    }
}
