//! A task tree as /proc shows it, for comparing before and after.

use std::collections::BTreeMap;
use std::fs;

use super::process;

/// Everything about a tree that a dump must leave as it is, fact by fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    facts: BTreeMap<String, String>,
}

/// Fields of `/proc/PID/status` that describe the task, and not its load.
const STATUS: [&str; 22] = [
    "Name",
    "Umask",
    "TracerPid",
    "Uid",
    "Gid",
    "Groups",
    "Threads",
    "SigPnd",
    "ShdPnd",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed",
    "THP_enabled",
    "FDSize",
];
/// Files of `/proc/PID` that stay as they are.
const FILES: [&str; 6] = [
    "cmdline",
    "environ",
    "limits",
    "oom_score_adj",
    "personality",
    "timers",
];

impl Look {
    /// Look at `root` and its descendants.
    pub fn at(root: u32) -> Self {
        let mut look = Self {
            facts: BTreeMap::new(),
        };
        for pid in process::tree(root) {
            look.task(pid, root);
        }
        look
    }

    /// Without what a restore may change: inode numbers of pipes, what shared anonymous memory
    /// is called, the size of the kernel's descriptor table.
    #[must_use]
    pub fn across_restore(mut self) -> Self {
        self.facts.retain(|name, _| !name.ends_with("FDSize"));
        for fact in self.facts.values_mut() {
            *fact = without_inode(&fact.replace("/memfd:/dev/zero", "/dev/zero"));
        }
        self
    }

    /// Each fact that is not the same in `later`, with both values.
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let nothing = String::from("nothing");
        let names = self.facts.keys().chain(
            later
                .facts
                .keys()
                .filter(|name| !self.facts.contains_key(*name)),
        );
        let value = |look: &Self, name: &String| look.facts.get(name).unwrap_or(&nothing).clone();
        names
            .map(|name| (name, value(self, name), value(later, name)))
            .filter(|(_, before, after)| before != after)
            .map(|(name, before, after)| format!("{name}: was {before:?}, is {after:?}"))
            .collect()
    }

    fn add(&mut self, pid: u32, name: impl std::fmt::Display, fact: impl std::fmt::Display) {
        self.facts.insert(format!("{pid} {name}"), fact.to_string());
    }

    fn task(&mut self, pid: u32, root: u32) {
        let Some(stat) = process::stat(pid) else {
            return;
        };
        let zombie = stat.state == 'Z';
        self.add(pid, "zombie", zombie);
        self.add(pid, "group", stat.group);
        self.add(pid, "session", stat.session);
        if pid != root {
            // The root's parent is whoever restores it.
            self.add(pid, "parent", stat.parent);
        }
        if zombie {
            return;
        }
        for name in ["exe", "cwd", "root"] {
            self.add(pid, name, link(&format!("/proc/{pid}/{name}")));
        }
        for name in FILES {
            self.add(pid, name, text(&format!("/proc/{pid}/{name}")));
        }
        self.threads(pid);
        self.descriptors(pid);
        self.mappings(pid);
        self.add(pid, "changed text", changed_text(pid));
    }

    fn threads(&mut self, pid: u32) {
        for tid in numbers_in(&format!("/proc/{pid}/task")) {
            let status = text(&format!("/proc/{pid}/task/{tid}/status"));
            for (name, value) in status.lines().filter_map(|line| line.split_once(':')) {
                if STATUS.contains(&name) {
                    self.add(pid, format_args!("thread {tid} {name}"), value.trim());
                }
            }
        }
    }

    /// What each descriptor leads to, and its flags.
    fn descriptors(&mut self, pid: u32) {
        for number in numbers_in(&format!("/proc/{pid}/fd")) {
            let target = link(&format!("/proc/{pid}/fd/{number}"));
            let info = text(&format!("/proc/{pid}/fdinfo/{number}"));
            let flags = info
                .lines()
                .find(|line| line.starts_with("flags:"))
                .unwrap_or_default();
            self.add(
                pid,
                format_args!("descriptor {number}"),
                format_args!("{target} {flags}"),
            );
        }
    }

    /// Protection and what is mapped, by address; neighbours of one kind as one, since where
    /// the kernel draws the line between two equal neighbours is its own affair.
    fn mappings(&mut self, pid: u32) {
        let mut merged: Vec<(&str, &str, String)> = Vec::new();
        let maps = text(&format!("/proc/{pid}/maps"));
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (start, end) = fields
                .next()
                .and_then(|range| range.split_once('-'))
                .unwrap_or_default();
            let protection = fields.next().unwrap_or_default();
            let what = fields.skip(3).collect::<Vec<_>>().join(" ");
            let kind = format!("{protection} {what}");
            match merged.last_mut() {
                Some(last) if last.1 == start && last.2 == kind => last.1 = end,
                _ => merged.push((start, end, kind)),
            }
        }
        for (start, end, kind) in merged {
            self.add(pid, format_args!("mapping {start}-{end}"), kind);
        }
    }
}

fn text(path: &str) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn link(path: &str) -> String {
    fs::read_link(path)
        .unwrap_or_default()
        .display()
        .to_string()
}

/// Executable memory that is no longer what its file holds, from `/proc/PID/smaps`.
fn changed_text(pid: u32) -> String {
    let mut executable = false;
    let mut changed = String::new();
    for line in text(&format!("/proc/{pid}/smaps")).lines() {
        let mut fields = line.split_whitespace();
        let (first, second) = (
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        );
        if !first.ends_with(':') {
            executable = second.contains('x');
        } else if executable && first == "Anonymous:" && second != "0" {
            changed += &format!("{second} kB ");
        }
    }
    changed
}

/// Entries of a folder whose names are numbers.
fn numbers_in(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// `pipe:[4711]` as `pipe:[]`.
fn without_inode(target: &str) -> String {
    match (target.find(":["), target.find(']')) {
        (Some(open), Some(close)) if open + 2 <= close => {
            format!("{}{}", &target[..open + 2], &target[close..])
        }
        _ => target.to_owned(),
    }
}
