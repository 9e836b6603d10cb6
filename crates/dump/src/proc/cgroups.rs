//! `/proc/PID/task/TID/cgroup`: which control groups a thread is in.

use commensal_sys::{Pid, Tid};

use super::{path, read, unexpected};
use crate::Result;

/// A thread's place in one hierarchy (cgroups(7)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    /// The hierarchy: its controllers with commas between them, `name=NAME`
    /// for one without, empty for version 2.
    pub hierarchy: Vec<u8>,
    /// The group, from the hierarchy's root.
    pub group: Vec<u8>,
}

/// The groups of a thread, one in every hierarchy.
///
/// # Errors
///
/// As [`read`], and when the text has another form than cgroups(7) gives.
pub fn memberships(pid: Pid, tid: Tid) -> Result<Vec<Membership>> {
    let name = format!("task/{tid}/cgroup");
    let text = read(pid, &name)?;
    parse(&text).map_err(|line| unexpected(path(pid, &name), line))
}

/// Takes the text apart; an error is the line that is not understood.
pub fn parse(text: &[u8]) -> Result<Vec<Membership>, &[u8]> {
    text.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| membership(line).ok_or(line))
        .collect()
}

/// `ID:HIERARCHY:GROUP`, where the group may hold colons.
fn membership(line: &[u8]) -> Option<Membership> {
    let mut parts = line.splitn(3, |&byte| byte == b':');
    let (_id, hierarchy, group) = (parts.next()?, parts.next()?, parts.next()?);
    group.starts_with(b"/").then(|| Membership {
        hierarchy: hierarchy.to_vec(),
        group: group.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_hierarchy() {
        let text = b"9:name=systemd:/a:b\n4:cpu,cpuacct:/\n0::/x\n";
        let found = parse(text).unwrap();
        let of = |hierarchy: &str, group: &str| Membership {
            hierarchy: hierarchy.into(),
            group: group.into(),
        };
        assert_eq!(
            found,
            [
                of("name=systemd", "/a:b"),
                of("cpu,cpuacct", "/"),
                of("", "/x")
            ]
        );
        assert_eq!(parse(b"4:cpu\n"), Err(&b"4:cpu"[..]));
    }
}
