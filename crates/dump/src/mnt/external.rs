//! Mounts that the restore is given: by the caller's name, or found among our own.

use commensal_images::messages::FsType;

use super::filesystem::fs_type;
use super::mountinfo::is_below;
use super::{Mount, MountChoices, Mounts};
use crate::{External, Options};

/// By what a restore is given a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A name of the caller's.
    Name(String),
    /// The file system is on a device that has a name of the caller's.
    Device(String),
    /// The path that we have it at.
    Path {
        /// The path.
        path: Vec<u8>,
        /// Whether its peers are found among the tree's mounts, not ours.
        internal_sharing: bool,
    },
}

/// By which name a restore is given a mount, of the namespace of the tree's root.
pub fn named(mount: &Mount, options: &Options) -> Option<Given> {
    let mut externals = options.external.iter();
    externals.find_map(|external| match external {
        External::Mount { point, name } if point.as_bytes() == mount.point => {
            Some(Given::Name(name.clone()))
        }
        _ => None,
    })
}

/// By which name of its device a restore is given a mount of a whole file system that it would not
/// mount by itself.
pub fn on_device(mount: &Mount, options: &Options) -> Option<Given> {
    if !mount.is_whole() || fs_type(mount, &options.mounts) != FsType::Unsupported {
        return None;
    }
    let mut externals = options.external.iter();
    externals.find_map(|external| match external {
        External::Device { number, name } if *number == mount.dev => {
            Some(Given::Device(name.clone()))
        }
        _ => None,
    })
}

/// By which path of `ours` a restore is given a mount that is not the root.
pub fn found(mount: &Mount, ours: &Mounts, choices: &MountChoices) -> Option<Given> {
    let same = best(mount, ours)?;
    if mount.shared != 0 && !choices.external_sharing {
        return None;
    }
    if mount.master != 0
        && !(choices.external_masters && [same.shared, same.master].contains(&mount.master))
    {
        return None;
    }
    let below = &mount.root[same.root.strip_suffix(b"/").unwrap_or(&same.root).len()..];
    let point = same.point.strip_suffix(b"/").unwrap_or(&same.point);
    let path = match [point, below.strip_suffix(b"/").unwrap_or(below)].concat() {
        path if path.is_empty() => b"/".to_vec(),
        path => path,
    };
    Some(Given::Path {
        path,
        internal_sharing: mount.shared != 0 && mount.shared != same.shared,
    })
}

/// Our mount that has the same part of the same file system; of several one in the same group of
/// propagation.
fn best<'o>(mount: &Mount, ours: &'o Mounts) -> Option<&'o Mount> {
    let candidates = ours
        .iter()
        .filter(|one| one.same_file_system(mount) && is_below(&mount.root, &one.root));
    let related = |one: &&Mount| {
        one.shared != 0 && (one.shared == mount.shared || one.shared == mount.master)
    };
    let mut in_group = candidates.clone().filter(related);
    in_group.next_back().or_else(|| candidates.clone().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(lines: &[&str]) -> Mounts {
        Mounts::parse(lines.iter().map(|line| line.as_bytes())).unwrap()
    }

    fn path(line: &str, choices: &MountChoices) -> Option<(Vec<u8>, bool)> {
        let ours = mounts(&[
            "1 0 8:1 / / rw shared:1 - ext4 /dev/a rw",
            "2 1 8:1 /srv /data rw shared:2 - ext4 /dev/a rw",
            "3 1 0:5 /x /x rw - tmpfs t rw",
        ]);
        let theirs = mounts(&[line]);
        match found(theirs.iter().next().unwrap(), &ours, choices) {
            Some(Given::Path {
                path,
                internal_sharing,
            }) => Some((path, internal_sharing)),
            _ => None,
        }
    }

    #[test]
    fn a_mount_of_ours_is_found_by_what_it_is_of() {
        let choices = MountChoices::default();
        let of = |line| path(line, &choices);
        let etc = of("9 8 8:1 /etc /etc rw - ext4 /dev/a rw");
        assert_eq!(etc, Some((b"/etc".to_vec(), false)));
        assert_eq!(
            of("9 8 8:1 / /h rw - ext4 /dev/a rw"),
            Some((b"/".to_vec(), false))
        );
        assert_eq!(
            of("9 8 0:5 /x/y /y rw - tmpfs t rw"),
            Some((b"/x/y".to_vec(), false))
        );
        assert_eq!(of("9 8 0:5 / /y rw - tmpfs t rw"), None);
        assert_eq!(of("9 8 8:2 / /y rw - ext4 /dev/b rw"), None);
    }

    #[test]
    fn propagation_must_be_allowed() {
        let shared = "9 8 8:1 /srv/d /d rw shared:2 - ext4 /dev/a rw";
        let slave = "9 8 8:1 /srv/d /d rw master:2 - ext4 /dev/a rw";
        let mut choices = MountChoices::default();
        assert_eq!(
            (path(shared, &choices), path(slave, &choices)),
            (None, None)
        );
        choices.external_sharing = true;
        choices.external_masters = true;
        let expected = Some((b"/data/d".to_vec(), false));
        assert_eq!(path(shared, &choices), expected);
        assert_eq!(path(slave, &choices), expected);
        let own = "9 8 8:1 /srv/d /d rw shared:7 - ext4 /dev/a rw";
        assert_eq!(path(own, &choices), Some((b"/srv/d".to_vec(), true)));
    }
}
