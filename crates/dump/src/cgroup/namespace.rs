//! Where a task's cgroup namespace begins (cgroup_namespaces(7)).

use std::collections::HashMap;

use commensal_sys::Pid;

use crate::proc::cgroups::memberships;
use crate::tree::namespaces;
use crate::{Result, proc};

/// For each hierarchy, how many bytes of a group's path lie outside of the
/// namespace; none where the namespace is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes(HashMap<Vec<u8>, u32>);

impl Prefixes {
    /// The prefixes of a task's namespace, which is another than ours if `is_own`.
    ///
    /// # Errors
    ///
    /// When the task is gone, or we may not enter its namespace.
    pub fn of(pid: Pid, is_own: bool) -> Result<Self> {
        if !is_own {
            return Ok(Self::default());
        }
        let outside = memberships(pid, pid.leader())?;
        let inside = namespaces::inside(pid, "cgroup", || memberships(pid, pid.leader()))?;
        let mut prefixes = HashMap::new();
        for group in outside {
            let same = inside
                .iter()
                .find(|other| other.hierarchy == group.hierarchy);
            let len = same.and_then(|inside| prefix(&group.group, &inside.group));
            let len =
                len.ok_or_else(|| proc::unexpected(proc::path(pid, "cgroup"), &group.group))?;
            if len > 0 {
                prefixes.insert(group.hierarchy, len);
            }
        }
        Ok(Self(prefixes))
    }

    /// The prefix in one hierarchy, in bytes.
    pub fn get(&self, hierarchy: &[u8]) -> Option<u32> {
        self.0.get(hierarchy).copied()
    }

    /// Whether the namespace begins at every root.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How many bytes of `outside` come before `inside`, which is its end.
fn prefix(outside: &[u8], inside: &[u8]) -> Option<u32> {
    let inside = inside.strip_suffix(b"/").unwrap_or(inside);
    let prefix = outside.strip_suffix(inside)?;
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    u32::try_from(prefix.len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_namespace_begins() {
        assert_eq!(prefix(b"/a/b", b"/b"), Some(2));
        assert_eq!(prefix(b"/a/b", b"/"), Some(4));
        assert_eq!(prefix(b"/a/b", b"/a/b"), Some(0));
        assert_eq!(prefix(b"/", b"/"), Some(0));
        assert_eq!(prefix(b"/a/b", b"/c"), None);
    }
}
