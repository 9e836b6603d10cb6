//! A tree as it looks from outside, in more detail than [`Look`]: mappings to the line.

use std::fs;

use crate::harness::{Look, process};

/// What must be the same before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    look: Look,
    tasks: Vec<Task>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Task {
    pid: u32,
    maps: String,
    mounts: String,
}

impl Facts {
    /// Look at `root` and its descendants.
    pub fn of(root: u32) -> Self {
        let tasks = process::tree(root).into_iter().map(|pid| {
            let text = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
            Task {
                pid,
                maps: text("maps"),
                mounts: text("mountinfo"),
            }
        });
        Self {
            tasks: tasks.collect(),
            look: Look::at(root),
        }
    }

    /// Its tasks.
    pub fn pids(&self) -> impl Iterator<Item = u32> + '_ {
        self.tasks.iter().map(|task| task.pid)
    }

    /// Each fact that is not the same in `later`.
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let mut found = self.look.differences(&later.look);
        for task in &self.tasks {
            let Some(now) = later.tasks.iter().find(|now| now.pid == task.pid) else {
                found.push(format!("{} is gone", task.pid));
                continue;
            };
            if now.maps != task.maps {
                let line = |line: &&str| !task.maps.lines().any(|before| before == *line);
                let new: Vec<&str> = now.maps.lines().filter(line).collect();
                found.push(format!("{} mapping, new: {new:?}", task.pid));
            }
            if now.mounts != task.mounts {
                let (before, now) = (&task.mounts, &now.mounts);
                found.push(format!("{} has mounts:\n{now}and had:\n{before}", task.pid));
            }
        }
        found
    }
}
