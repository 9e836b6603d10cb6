//! The mounts of a mount namespace, each with where a restore takes it from.

use commensal_images::messages::FsType;
use commensal_sys::Pid;

use super::external::{Given, given};
use super::{Contents, Mount, Mounts, Rights, filesystem};
use crate::tree::namespaces::own_pid;
use crate::{Options, Place, Refusal, Result};

/// Where a restore takes a mount from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the directory that it is given as the root of the tree.
    Root,
    /// From what it is given.
    External(Given),
    /// It mounts the file system anew.
    New(Contents),
    /// It binds a part of another mount.
    Bind,
}

/// What stands against a mount: the reason, and the remedy.
pub type Against = (&'static str, String);

/// The mounts of a tree that are to be saved.
#[derive(Debug)]
pub struct Table<'m> {
    mounts: &'m Mounts,
    /// Ours, where external ones may be among them.
    ours: Option<Mounts>,
    options: &'m Options,
    /// What the restore may mount.
    pub(super) rights: Rights,
}

impl<'m> Table<'m> {
    /// Of the mounts that the root of the tree sees.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn new(mounts: &'m Mounts, options: &'m Options) -> Result<Self> {
        let find = options.mounts.find_external;
        let ours = find.then(|| Mounts::of(own_pid())).transpose()?;
        Ok(Self {
            mounts,
            ours,
            options,
            rights: Rights::default(),
        })
    }

    /// With the restore in a user namespace of the tree's own.
    #[must_use]
    pub fn within(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    /// Those that are saved, in the order of mountinfo.
    pub fn saved(&self) -> impl DoubleEndedIterator<Item = &'m Mount> + Clone {
        let saved = |mount: &&Mount| !filesystem::comes_by_itself(mount);
        self.mounts.iter().filter(saved)
    }

    /// By what a restore is given a mount.
    fn external(&self, mount: &Mount) -> Option<Given> {
        given(mount, self.ours.as_ref(), self.options).filter(|_| !mount.is_root())
    }

    /// What the images call the file system of a mount.
    pub fn fs_type(&self, mount: &Mount) -> FsType {
        filesystem::fs_type(mount, &self.options.mounts)
    }

    /// Whether a mount can be bound from the root mount, or from an external one.
    fn is_given(&self, mount: &Mount) -> bool {
        self.mounts
            .iter()
            .any(|other| (other.is_root() || self.external(other).is_some()) && holds(other, mount))
    }

    /// Where a restore takes a mount from.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn source(&self, mount: &Mount) -> Result<Source, Against> {
        if mount.is_root() {
            return Ok(Source::Root);
        }
        if let Some(given) = self.external(mount) {
            return Ok(Source::External(given));
        }
        if self.is_given(mount) {
            return Ok(Source::Bind);
        }
        if !mount.is_whole() {
            let mut others = self.mounts.iter();
            return match others.any(|other| other.is_whole() && other.same_file_system(mount)) {
                true => Ok(Source::Bind),
                false => Err((
                    "it is a part of a file system that the tree does not see as a whole",
                    give(mount),
                )),
            };
        }
        let contents = filesystem::contents(mount, &self.options.mounts)
            .ok_or_else(|| ("the restore cannot mount this file system", give(mount)))?;
        match self.rights.against(mount) {
            Some(reason) => Err((reason, give(mount))),
            None => Ok(Source::New(contents)),
        }
    }

    /// What is refused of the mounts of the tree of `root`.
    pub fn refusals(&self, root: Pid) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        if self.mounts.iter().filter(|mount| mount.is_root()).count() != 1 {
            refusals.push(Refusal {
                what:
                    "in a mount namespace, with a root directory that is no mount or under another"
                        .into(),
                place: Place::Task { pid: root },
                reason: "the images have one mount as the root of all others".into(),
                remedy: "enter the directory with pivot_root(2) instead of chroot(2)".into(),
            });
        }
        for mount in self.saved() {
            let against = self.source(mount).err();
            let against = against.or_else(|| self.against_place(mount));
            let against = against.or_else(|| self.against_group(mount));
            let against = against.or_else(|| self.against_cover(mount));
            refusals.extend(against.map(|(reason, remedy)| refuse(root, mount, reason, remedy)));
        }
        refusals
    }

    /// A mount whose options or place a restore would not give it.
    fn against_place(&self, mount: &Mount) -> Option<Against> {
        let unknown = |option: &&[u8]| super::image::flag(option).is_none();
        let mut options = mount.options.split(|byte| *byte == b',');
        if options.any(|option| unknown(&option)) {
            return Some((
                "the images have no place for one of its options",
                "mount it with other options".into(),
            ));
        }
        let twin = |other: &&Mount| {
            (other.parent, &other.point) == (mount.parent, &mount.point) && other.id != mount.id
        };
        self.mounts.iter().any(|other| twin(&other)).then(|| {
            (
                "another mount has the same parent and mount point",
                "unmount one of them".into(),
            )
        })
    }

    /// A mount in a user namespace whose files would have to be read, and another hides.
    fn against_cover(&self, mount: &Mount) -> Option<Against> {
        let read = matches!(
            self.source(mount),
            Ok(Source::New(Contents::Files | Contents::Empty))
        );
        let hidden =
            self.rights.are_limited() && read && super::clean::is_hidden(mount, self.mounts);
        hidden.then(|| {
            (
                "another mount lies over it, and a mount of a user namespace cannot be looked \
                 under from outside",
                "unmount the one that hides it, or this one".into(),
            )
        })
    }

    /// A mount that receives events from a group outside of the tree.
    fn against_group(&self, mount: &Mount) -> Option<Against> {
        let mut others = self.mounts.iter();
        let found = mount.master == 0
            || others.any(|other| {
                let given = other.is_root() || self.external(other).is_some();
                (other.id != mount.id && other.shared == mount.master)
                    || (given && other.master == mount.master && holds(other, mount))
            });
        (!found).then(|| {
            (
                "it receives mount events from a group outside of the tree, which the restore \
                 would not find",
                "make it private: mount --make-private".to_owned(),
            )
        })
    }
}

/// Whether what `inner` mounts is within what `outer` mounts.
fn holds(outer: &Mount, inner: &Mount) -> bool {
    outer.same_file_system(inner) && super::mountinfo::is_below(&inner.root, &outer.root)
}

/// To provide a mount to the restore.
pub fn give(mount: &Mount) -> String {
    let point = String::from_utf8_lossy(&mount.point);
    format!("unmount it, or let the restore provide it: --external mnt[{point}]:NAME")
}

/// The number of the pty that a mount is of, if it is of one.
pub fn pty(mount: &Mount) -> Option<u32> {
    let name = mount
        .root
        .strip_prefix(b"/")
        .filter(|_| mount.fs_type == b"devpts")?;
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// The refusal of a mount.
pub fn refuse(pid: Pid, mount: &Mount, reason: &str, remedy: String) -> Refusal {
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Refusal {
        what: format!(
            "in a mount namespace with {} on {}",
            name(&mount.fs_type),
            name(&mount.point)
        ),
        place: Place::Task { pid },
        reason: reason.into(),
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::External;

    fn mounts(lines: &[&str]) -> Mounts {
        Mounts::parse(lines.iter().map(|line| line.as_bytes())).unwrap()
    }

    fn reasons(lines: &[&str], options: &Options) -> Vec<String> {
        let mounts = mounts(lines);
        let refusals = Table::new(&mounts, options)
            .unwrap()
            .refusals(Pid::new(1).unwrap());
        refusals.into_iter().map(|refusal| refusal.what).collect()
    }

    const ROOT: &str = "10 1 8:1 /box / rw,relatime - ext4 /dev/a rw";
    const TMP: &str = "11 10 0:9 / /tmp rw,relatime - tmpfs none rw";

    #[test]
    fn what_a_restore_can_mount_is_not_refused() {
        let lines = [
            ROOT,
            TMP,
            "12 10 0:9 /a /b rw,relatime - tmpfs none rw",
            "13 10 8:1 /box/etc /c ro - ext4 /dev/a rw",
            "14 10 0:5 / /proc rw,nosuid,nodev,noexec - proc proc rw",
        ];
        assert_eq!(reasons(&lines, &Options::default()), [""; 0]);
    }

    #[test]
    fn what_it_cannot_is_named() {
        let lines = [
            ROOT,
            "11 10 8:1 /other /data rw - ext4 /dev/a rw",
            "12 10 8:2 / /disk rw - ext4 /dev/b rw",
            "13 10 0:9 / /tmp rw master:3 - tmpfs none rw",
            "14 10 0:10 / /run rw,idmapped - tmpfs none rw",
        ];
        let expected = [
            "in a mount namespace with ext4 on /data",
            "in a mount namespace with ext4 on /disk",
            "in a mount namespace with tmpfs on /tmp",
            "in a mount namespace with tmpfs on /run",
        ];
        assert_eq!(reasons(&lines, &Options::default()), expected);
        let given = ["/data", "/disk"].map(|point| External::Mount {
            point: point.into(),
            name: "x".into(),
        });
        let options = Options {
            external: given.into(),
            ..Options::default()
        };
        assert_eq!(reasons(&lines, &options), expected[2..]);
    }

    #[test]
    fn a_root_that_is_no_mount_is_refused() {
        assert_eq!(reasons(&[TMP], &Options::default()).len(), 1);
    }
}
