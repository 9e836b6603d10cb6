//! Which files of a control group are saved, and which hierarchies.

use std::collections::BTreeMap;

/// What every group of version 1 has.
const VERSION_1: &[&str] = &[
    "cgroup.clone_children",
    "notify_on_release",
    "cgroup.procs",
    "tasks",
];

/// What every group of version 2 has.
const VERSION_2: &[&str] = &[
    "cgroup.subtree_control",
    "cgroup.max.descendants",
    "cgroup.max.depth",
    "cgroup.freeze",
    "cgroup.type",
];

/// What the controllers of version 1 add, by their names. The limits of memory stand in the order
/// in which they can be set.
const CONTROLLERS: &[(&str, &[&str])] = &[
    (
        "cpu",
        &[
            "cpu.shares",
            "cpu.cfs_period_us",
            "cpu.cfs_quota_us",
            "cpu.rt_period_us",
            "cpu.rt_runtime_us",
        ],
    ),
    (
        "memory",
        &[
            "memory.limit_in_bytes",
            "memory.memsw.limit_in_bytes",
            "memory.swappiness",
            "memory.soft_limit_in_bytes",
            "memory.move_charge_at_immigrate",
            "memory.oom_control",
            "memory.use_hierarchy",
            "memory.kmem.limit_in_bytes",
            "memory.kmem.tcp.limit_in_bytes",
        ],
    ),
    (
        "cpuset",
        &[
            "cpuset.cpus",
            "cpuset.mems",
            "cpuset.memory_migrate",
            "cpuset.cpu_exclusive",
            "cpuset.mem_exclusive",
            "cpuset.mem_hardwall",
            "cpuset.memory_spread_page",
            "cpuset.memory_spread_slab",
            "cpuset.sched_load_balance",
            "cpuset.sched_relax_domain_level",
        ],
    ),
    ("blkio", &["blkio.weight"]),
    ("net_cls", &["net_cls.classid"]),
    ("net_prio", &["net_prio.ifpriomap"]),
    ("pids", &["pids.max"]),
    ("devices", &["devices.list"]),
];

/// Which files of control groups are saved, for each controller, and of which hierarchies (CRIU's
/// `--cgroup-props`, `--cgroup-props-file` and `--cgroup-dump-controller`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupSelection {
    properties: BTreeMap<String, Vec<String>>,
    /// The hierarchies that are saved, as `/proc/PID/cgroup` has them; all if none.
    pub hierarchies: Vec<String>,
    /// Whether the groups are saved, or only who is in which.
    pub groups: bool,
}

impl Default for CgroupSelection {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let known = CONTROLLERS.iter();
        Self {
            properties: known
                .map(|&(name, files)| (name.to_owned(), owned(files)))
                .collect(),
            hierarchies: Vec::new(),
            groups: true,
        }
    }
}

/// Why a text is no list of properties.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} before {rest:?}")]
pub struct ParsePropertiesError {
    expected: &'static str,
    /// The beginning of what follows.
    rest: String,
}

impl CgroupSelection {
    /// Changes the lists of some controllers. For each, the text says
    ///
    /// ```text
    /// "CONTROLLER":
    ///  - "strategy": "replace"
    ///  - "properties": ["FILE", "FILE"]
    /// ```
    ///
    /// where the strategy `merge` adds to the list that is known.
    ///
    /// # Errors
    ///
    /// What is not of this form.
    pub fn read(&mut self, text: &str) -> Result<(), ParsePropertiesError> {
        let mut text = Text(text);
        while !text.is_at_end() {
            let controller = text.quoted("the name of a controller")?;
            text.key("strategy")?;
            let replace = match text.quoted("a strategy")? {
                "replace" => true,
                "merge" => false,
                _ => return Err(text.expected("a strategy, replace or merge,")),
            };
            text.symbol('-', "-")?;
            text.word("properties")?;
            let files = text.list()?;
            let known = self.properties.entry(controller.to_owned()).or_default();
            if replace {
                known.clear();
            }
            for file in files {
                if !known.contains(&file) {
                    known.push(file);
                }
            }
        }
        Ok(())
    }

    /// Whether a hierarchy is saved at all.
    pub(super) fn has(&self, hierarchy: &[u8]) -> bool {
        let named = |name: &String| name.as_bytes() == hierarchy;
        self.hierarchies.is_empty() || self.hierarchies.iter().any(named)
    }

    /// The files of a hierarchy's groups.
    pub(super) fn files(&self, hierarchy: &[u8]) -> Vec<&str> {
        if hierarchy.is_empty() {
            return VERSION_2.to_vec();
        }
        let controllers = hierarchy.split(|&byte| byte == b',');
        let lists = controllers.filter_map(|name| self.properties.get(str::from_utf8(name).ok()?));
        let files = lists.flatten().map(String::as_str);
        files.chain(VERSION_1.iter().copied()).collect()
    }
}

/// What is left of a text.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn is_at_end(&mut self) -> bool {
        self.0 = self.0.trim_start();
        self.0.is_empty()
    }

    fn expected(&self, expected: &'static str) -> ParsePropertiesError {
        let rest = self.0.chars().take(20).collect();
        ParsePropertiesError { expected, rest }
    }

    fn takes(&mut self, symbol: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(symbol);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn symbol(&mut self, symbol: char, name: &'static str) -> Result<(), ParsePropertiesError> {
        match self.takes(symbol) {
            true => Ok(()),
            false => Err(self.expected(name)),
        }
    }

    fn quoted(&mut self, what: &'static str) -> Result<&'a str, ParsePropertiesError> {
        let rest = self.0.trim_start().strip_prefix('"');
        let (word, rest) = rest
            .and_then(|rest| rest.split_once('"'))
            .filter(|(word, _)| !word.is_empty())
            .ok_or_else(|| self.expected(what))?;
        self.0 = rest;
        Ok(word)
    }

    /// A quoted word that is known, and a colon.
    fn word(&mut self, word: &'static str) -> Result<(), ParsePropertiesError> {
        let before = Text(self.0);
        match self.quoted(word)? {
            found if found == word => self.symbol(':', ":"),
            _ => Err(before.expected(word)),
        }
    }

    /// `: - "word":`
    fn key(&mut self, word: &'static str) -> Result<(), ParsePropertiesError> {
        self.symbol(':', ":")?;
        self.symbol('-', "-")?;
        self.word(word)
    }

    /// Quoted words between brackets.
    fn list(&mut self) -> Result<Vec<String>, ParsePropertiesError> {
        let mut words = Vec::new();
        self.symbol('[', "[")?;
        if self.takes(']') {
            return Ok(words);
        }
        loop {
            words.push(self.quoted("the name of a file")?.to_owned());
            if !self.takes(',') {
                self.symbol(']', "]")?;
                return Ok(words);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hierarchy_has_its_files() {
        let known = CgroupSelection::default();
        assert!(known.files(b"").contains(&"cgroup.type"));
        let files = known.files(b"cpu,pids");
        assert!(files.contains(&"cpu.shares") && files.contains(&"pids.max"));
        assert!(files.contains(&"tasks") && !files.contains(&"cpuset.cpus"));
    }

    #[test]
    fn lists_are_replaced_and_added_to() {
        let mut known = CgroupSelection::default();
        let text = "\"pids\":\n - \"strategy\": \"replace\"\n - \"properties\": []\n\
                    \"hugetlb\":\n - \"strategy\": \"merge\"\n\
                    \x20- \"properties\": [\"hugetlb.2MB.limit_in_bytes\"]\n\
                    \"cpu\":\n - \"strategy\": \"merge\"\n - \"properties\": \
                    [\"cpu.shares\", \"cpu.idle\"]\n";
        known.read(text).unwrap();
        assert!(!known.files(b"pids").contains(&"pids.max"));
        assert_eq!(known.files(b"hugetlb")[0], "hugetlb.2MB.limit_in_bytes");
        let cpu = known.files(b"cpu");
        assert!(cpu.contains(&"cpu.idle") && cpu.contains(&"cpu.cfs_quota_us"));
        assert_eq!(cpu.iter().filter(|file| **file == "cpu.shares").count(), 1);
    }

    #[test]
    fn what_is_no_list_is_said() {
        for (text, expected) in [
            ("cpu:", "the name of a controller"),
            ("\"cpu\":\n - \"properties\": []", "strategy"),
            (
                "\"cpu\":\n - \"strategy\": \"drop\"",
                "a strategy, replace or merge,",
            ),
            (
                "\"cpu\":\n - \"strategy\": \"merge\"\n - \"properties\": [\"a\" \"b\"]",
                "]",
            ),
        ] {
            let error = CgroupSelection::default().read(text).unwrap_err();
            assert_eq!(error.expected, expected, "{text}");
        }
    }

    #[test]
    fn hierarchies_can_be_named() {
        let mut known = CgroupSelection::default();
        assert!(known.has(b"pids"));
        known.hierarchies.push("cpu".into());
        assert!(known.has(b"cpu") && !known.has(b"pids") && !known.has(b""));
    }
}
