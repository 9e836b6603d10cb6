//! The mounts of a tree's mount namespaces, each with where a restore takes it from.

use commensal_images::messages::FsType;
use commensal_sys::Pid;

use super::external::{self, Given};
use super::{
    Contents, Mount, Mounts, Namespace, Namespaces, Rights, autofs, deleted, filesystem, overlay,
    sharing,
};
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
    pub(super) namespaces: &'m Namespaces,
    /// Ours, where external ones may be among them.
    ours: Option<Mounts>,
    pub(super) options: &'m Options,
    /// What the restore may mount.
    pub(super) rights: Rights,
}

impl<'m> Table<'m> {
    /// Of the mounts in these namespaces.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn new(namespaces: &'m Namespaces, options: &'m Options) -> Result<Self> {
        let find = options.mounts.find_external;
        let ours = find.then(|| Mounts::of(own_pid())).transpose()?;
        Ok(Self {
            namespaces,
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

    /// Those of one namespace that are saved, in the order of mountinfo.
    pub fn saved(
        &self,
        namespace: &'m Namespace,
    ) -> impl DoubleEndedIterator<Item = &'m Mount> + Clone + use<'m> {
        let saved = |mount: &&Mount| !filesystem::comes_by_itself(mount);
        namespace.mounts.iter().filter(saved)
    }

    /// All mounts of all namespaces.
    pub fn mounts(&self) -> impl Iterator<Item = &'m Mount> + Clone + use<'m> {
        self.namespaces.mounts()
    }

    /// Whether a mount is the root directory of the tree: the restore is given that.
    pub(super) fn is_root_of_tree(&self, mount: &Mount) -> bool {
        mount.is_root() && self.is_in_first(mount)
    }

    /// Whether a mount is in the namespace of the tree's root.
    fn is_in_first(&self, mount: &Mount) -> bool {
        self.namespaces.first().mounts.by_id(mount.id).is_some()
    }

    /// By what a restore is given a mount.
    pub(super) fn external(&self, mount: &Mount) -> Option<Given> {
        if mount.is_root() {
            return None;
        }
        let named = || external::named(mount, self.options);
        let named = self.is_in_first(mount).then(named).flatten();
        named
            .or_else(|| external::on_device(mount, self.options))
            .or_else(|| external::found(mount, self.ours.as_ref()?, &self.options.mounts))
    }

    /// Whether a mount is the root of the tree, or one that the restore is given.
    fn is_from_outside(&self, mount: &Mount) -> bool {
        self.is_root_of_tree(mount) || self.external(mount).is_some()
    }

    /// What the images call the file system of a mount.
    pub fn fs_type(&self, mount: &Mount) -> FsType {
        filesystem::fs_type(mount, &self.options.mounts)
    }

    /// Whether a mount can be bound from the root mount, or from an external one.
    fn is_given(&self, mount: &Mount) -> bool {
        self.mounts()
            .any(|other| self.is_from_outside(other) && holds(other, mount))
    }

    /// Where a restore takes a mount from.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn source(&self, mount: &Mount) -> Result<Source, Against> {
        if self.is_root_of_tree(mount) {
            return Ok(Source::Root);
        }
        if let Some(given) = self.external(mount) {
            return Ok(Source::External(given));
        }
        if self.is_given(mount) {
            return Ok(Source::Bind);
        }
        if !mount.is_whole() {
            return match self
                .mounts()
                .any(|other| other.is_whole() && other.same_file_system(mount))
            {
                true => Ok(Source::Bind),
                false => Err((
                    "it is a part of a file system that the tree does not see as a whole",
                    self.give(mount),
                )),
            };
        }
        let contents = filesystem::contents(mount, &self.options.mounts).ok_or_else(|| {
            (
                "the restore cannot mount this file system",
                self.give(mount),
            )
        })?;
        match self.rights.against(mount) {
            Some(reason) => Err((reason, self.give(mount))),
            None => Ok(Source::New(contents)),
        }
    }

    /// What is refused of the mounts.
    pub fn refusals(&self) -> Vec<Refusal> {
        let all = self.namespaces.iter();
        all.flat_map(|namespace| self.refusals_of(namespace))
            .collect()
    }

    fn refusals_of(&self, namespace: &'m Namespace) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let task = namespace.task;
        if namespace
            .mounts
            .iter()
            .filter(|mount| mount.is_root())
            .count()
            != 1
        {
            refusals.push(Refusal {
                what:
                    "in a mount namespace, with a root directory that is no mount or under another"
                        .into(),
                place: Place::Task { pid: task },
                reason: "the images have one mount as the root of all others".into(),
                remedy: "enter the directory with pivot_root(2) instead of chroot(2)".into(),
            });
        }
        for mount in self.saved(namespace) {
            let against = self.source(mount).err();
            let against = against.or_else(|| against_place(mount, &namespace.mounts));
            let against = against.or_else(|| sharing::against(mount, self));
            let against = against.or_else(|| deleted::against(mount, self.namespaces));
            let against = against.or_else(|| self.against_layers(mount, namespace));
            let against = against.or_else(|| autofs::against(mount, &namespace.mounts, self));
            refusals.extend(against.map(|(reason, remedy)| refuse(task, mount, reason, remedy)));
        }
        refusals
    }

    /// An overlay of directories that the restore would not find.
    fn against_layers(&self, mount: &Mount, namespace: &Namespace) -> Option<Against> {
        let is_mounted =
            mount.fs_type == b"overlay" && matches!(self.source(mount), Ok(Source::New(_)));
        let reason = is_mounted.then(|| overlay::against(mount, &namespace.root))??;
        Some((reason, self.give(mount)))
    }

    /// To provide a mount to the restore, as far as that can be.
    fn give(&self, mount: &Mount) -> String {
        let (major, minor) = mount.dev;
        if !self.is_in_first(mount) {
            return "unmount it, or mount it in the namespace of the root of the tree, too, and let \
                    the restore provide it there: --external mnt[...]:NAME"
                .into();
        }
        // Major 0 is of file systems without a device.
        match major != 0 && mount.is_whole() {
            true => format!(
                "{}, or its device: --external dev[{major}/{minor}]:NAME",
                give(mount)
            ),
            false => give(mount),
        }
    }
}

/// A mount whose options or place a restore would not give it.
fn against_place(mount: &Mount, mounts: &Mounts) -> Option<Against> {
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
    mounts.iter().any(|other| twin(&other)).then(|| {
        (
            "another mount has the same parent and mount point",
            "unmount one of them".into(),
        )
    })
}

/// Whether what `inner` mounts is within what `outer` mounts.
pub fn holds(outer: &Mount, inner: &Mount) -> bool {
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
mod tests;
