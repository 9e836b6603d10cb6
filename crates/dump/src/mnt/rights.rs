//! What a restore may mount as the root of a user namespace of the tree's own
//! (user_namespaces(7), mount_namespaces(7)).

use std::borrow::Cow;

use commensal_sys::Pid;

use super::Mount;
use crate::Result;
use crate::tree::namespaces::has_own;
use crate::userns::{Gid, Uid, Users};

/// What the root of the restored tree may mount. The default is that of our own user namespace:
/// everything.
#[derive(Debug, Default)]
pub struct Rights {
    users: Users,
    network: bool,
    ipc: bool,
    cgroup: bool,
}

impl Rights {
    /// Of the tree of `root`, which has these `users`; other namespaces of its own belong to its
    /// user namespace.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn of(root: Pid, users: &Users) -> Result<Self> {
        Ok(Self {
            users: users.clone(),
            network: has_own(root, "net")?,
            ipc: has_own(root, "ipc")?,
            cgroup: has_own(root, "cgroup")?,
        })
    }

    /// Whether it may less than everything: the tree has a user namespace of its own.
    pub fn are_limited(&self) -> bool {
        self.users.are_own()
    }

    /// What stands against mounting a file system anew.
    pub fn against(&self, mount: &Mount) -> Option<&'static str> {
        if !self.are_limited() {
            return None;
        }
        let may = match mount.fs_type.as_slice() {
            b"proc" | b"devpts" | b"tmpfs" => true,
            b"overlay" => is_without_marks_of_the_host(mount),
            b"sysfs" => self.network,
            b"mqueue" => self.ipc,
            b"cgroup" | b"cgroup2" => self.cgroup,
            _ => false,
        };
        if !may {
            return Some(
                "the restore may not mount this file system in the tree's user namespace, unless \
                 that has the namespace that the file system shows",
            );
        }
        let mut options = mount.fs_options.split(|byte| *byte == b',');
        let unmapped = options.any(|option| self.option(option).is_none());
        unmapped.then_some(
            "one of its options is a user or group that has no id in the tree's user namespace",
        )
    }

    /// Options of a file system as the tree would give them.
    pub fn options<'o>(&self, options: &[&'o [u8]]) -> Vec<Cow<'o, [u8]>> {
        let options = options.iter().filter_map(|option| self.option(option));
        options.collect()
    }

    /// An option with its user or group, if it has one, as the tree calls them.
    fn option<'o>(&self, option: &'o [u8]) -> Option<Cow<'o, [u8]>> {
        let id = |name: &[u8]| {
            let value = option.strip_prefix(name)?;
            str::from_utf8(value).ok()?.parse::<u32>().ok()
        };
        if let Some(uid) = id(b"uid=") {
            let uid = self.users.uid(Uid::told(uid)).ok()?;
            return Some(format!("uid={uid}").into_bytes().into());
        }
        if let Some(gid) = id(b"gid=") {
            let gid = self.users.gid(Gid::told(gid)).ok()?;
            return Some(format!("gid={gid}").into_bytes().into());
        }
        Some(option.into())
    }
}

/// Whether an overlay would be the same if the root of a user namespace mounted it: what it notes of its
/// directories is in extended attributes of users, or nowhere, so that it has not even an id of its own.
/// Else it may be in those that only the host's root can read.
fn is_without_marks_of_the_host(overlay: &Mount) -> bool {
    let mut options = overlay.fs_options.split(|byte| *byte == b',');
    let is_written_to = options
        .clone()
        .any(|option| option.starts_with(b"upperdir="));
    options.any(|option| option == b"userxattr" || is_written_to && option == b"uuid=null")
}

#[cfg(test)]
mod tests {
    use super::super::mountinfo::parse;
    use super::*;

    fn rights() -> Rights {
        Rights {
            users: Users::with_maps("0 1000 5", "0 1000 5"),
            ipc: true,
            ..Rights::default()
        }
    }

    #[test]
    fn what_belongs_to_another_namespace_is_not_mounted() {
        let may = |fs_type: &str| {
            let line = format!("5 1 0:9 / /t rw - {fs_type} none rw");
            rights().against(&parse(line.as_bytes()).unwrap()).is_none()
        };
        let all = ["tmpfs", "proc", "mqueue", "sysfs", "cgroup2", "debugfs"];
        assert_eq!(all.map(may), [true, true, true, false, false, false]);
    }

    #[test]
    fn an_overlay_of_the_host_s_root_is_not_mounted() {
        let may = |options: &str| {
            let line = format!("5 1 0:9 / /t rw - overlay none rw,lowerdir=/a,{options}");
            rights().against(&parse(line.as_bytes()).unwrap()).is_none()
        };
        assert!(may("upperdir=/b,workdir=/c,uuid=on,userxattr"));
        assert!(may(
            "upperdir=/b,workdir=/c,redirect_dir=nofollow,uuid=null"
        ));
        assert!(!may("upperdir=/b,workdir=/c,uuid=on"));
        assert!(
            !may("uuid=null"),
            "of one that is only read, it says nothing"
        );
    }

    #[test]
    fn options_have_the_ids_of_the_tree() {
        let options: [&[u8]; 3] = [b"size=4k", b"uid=1003", b"gid=1004"];
        let expected: [&[u8]; 3] = [b"size=4k", b"uid=3", b"gid=4"];
        assert_eq!(rights().options(&options), expected);
        let line = b"5 1 0:9 / /t rw - tmpfs none rw,gid=5";
        assert!(rights().against(&parse(line).unwrap()).is_some());
        assert!(Rights::default().against(&parse(line).unwrap()).is_none());
    }
}
