//! A user namespace of the tree's own (user_namespaces(7)): what its users and groups are called
//! inside.
//!
//! - `map`: the two maps of ids;
//! - `check`: what stands against a tree in such a namespace.
//!
//! What the kernel tells us, it tells with the ids of our own user namespace ([`Uid`], [`Gid`]):
//! whose a file, a System V object or a task is. The restore sets these from within the namespace,
//! so the images have the ids that it has inside. Control groups are the exception: the restore
//! sets their owners from outside. What the parasite asks inside carries no id.

mod check;
mod map;

use core::fmt;

use commensal_images::messages::UsernsEntry;
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::Pid;

use crate::tree::namespaces::{has_own, inode_of, tree_id};
use crate::{Place, Refusal, Result};
pub use check::{check, check_task, foreign_network, is_owned, nested};
use map::Map;

/// A user, as our own user namespace has them. An image takes no such id:
///
/// ```compile_fail,E0308
/// # use commensal_dump::userns::Uid;
/// # use commensal_images::messages::GhostFileEntry;
/// fn entry(uid: Uid) -> GhostFileEntry {
///     GhostFileEntry { uid, ..GhostFileEntry::default() }
/// }
/// ```
///
/// ```
/// # use commensal_dump::userns::{Uid, Unmapped, Users};
/// # use commensal_images::messages::GhostFileEntry;
/// fn entry(uid: Uid, users: &Users) -> Result<GhostFileEntry, Unmapped> {
///     Ok(GhostFileEntry { uid: users.uid(uid)?, ..GhostFileEntry::default() })
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uid(u32);

impl Uid {
    /// The id that the kernel told us.
    pub fn told(id: u32) -> Self {
        Self(id)
    }
}

/// A group, as our own user namespace has it; as [`Uid`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gid(u32);

impl Gid {
    /// The id that the kernel told us.
    pub fn told(id: u32) -> Self {
        Self(id)
    }
}

/// Whose something is, as our own user namespace has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: Uid,
    /// The group.
    pub gid: Gid,
}

/// A user or group that the tree's user namespace has no id for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// A user.
    User(Uid),
    /// A group.
    Group(Gid),
}

impl Unmapped {
    /// The refusal of a thing that belongs to them.
    pub fn refuse(self, what: impl Into<String>, place: Place) -> Refusal {
        Refusal {
            what: what.into(),
            place,
            reason: format!(
                "it belongs to {self}, who has no id in the tree's user namespace, so the restore \
                 could not give it back"
            ),
            remedy:
                "give it to a user and a group of the namespace (chown(1)), or close it before \
                     the dump"
                    .into(),
        }
    }
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(Uid(id)) => write!(f, "user {id}"),
            Self::Group(Gid(id)) => write!(f, "group {id}"),
        }
    }
}

/// What the tree calls users and groups.
#[derive(Clone, Debug, Default)]
pub struct Users(Option<Maps>);

#[derive(Clone, Debug)]
struct Maps {
    /// The inode of the namespace.
    namespace: Option<u64>,
    users: Map,
    groups: Map,
}

impl Maps {
    /// Whether one of the two was not written yet.
    fn are_empty(&self) -> bool {
        self.users.is_empty() || self.groups.is_empty()
    }
}

impl Users {
    /// Of a tree in our own user namespace.
    pub const OURS: Self = Self(None);

    /// Of the tree of `root`.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn of(root: Pid) -> Result<Self> {
        if !has_own(root, "user")? {
            return Ok(Self::OURS);
        }
        Ok(Self(Some(Maps {
            namespace: inode_of(root, "user")?,
            users: Map::read(root, "uid_map")?,
            groups: Map::read(root, "gid_map")?,
        })))
    }

    /// Reads them anew where they may have changed since the tree of `root` was looked at: it may be
    /// in another namespace now, `are_own` if that is not ours, and maps are written once
    /// (user_namespaces(7)).
    ///
    /// # Errors
    ///
    /// As [`Users::of`].
    pub fn look_again(&mut self, root: Pid, are_own: bool) -> Result<()> {
        let same = match &self.0 {
            None => !are_own,
            Some(maps) => !maps.are_empty() && maps.namespace == inode_of(root, "user")?,
        };
        if !same {
            *self = Self::of(root)?;
        }
        Ok(())
    }

    /// Whether the tree has a user namespace of its own.
    pub fn are_own(&self) -> bool {
        self.0.is_some()
    }

    /// What the tree calls a user.
    ///
    /// # Errors
    ///
    /// Where it has no id for them.
    pub fn uid(&self, uid: Uid) -> Result<u32, Unmapped> {
        match &self.0 {
            None => Ok(uid.0),
            Some(maps) => maps.users.inside(uid.0).ok_or(Unmapped::User(uid)),
        }
    }

    /// What the tree calls a group.
    ///
    /// # Errors
    ///
    /// Where it has no id for it.
    pub fn gid(&self, gid: Gid) -> Result<u32, Unmapped> {
        match &self.0 {
            None => Ok(gid.0),
            Some(maps) => maps.groups.inside(gid.0).ok_or(Unmapped::Group(gid)),
        }
    }

    /// What the tree calls an owner: the user, and the group.
    ///
    /// # Errors
    ///
    /// Where it has no id for one of the two.
    pub fn owner(&self, owner: Owner) -> Result<(u32, u32), Unmapped> {
        Ok((self.uid(owner.uid)?, self.gid(owner.gid)?))
    }

    /// Writes the maps, where the tree has its own.
    ///
    /// # Errors
    ///
    /// Where the image cannot be written.
    pub fn write<S: ImageSink>(&self, set: &ImageSet<S>) -> Result<()> {
        let Some(maps) = &self.0 else {
            return Ok(());
        };
        let entry = UsernsEntry {
            uid_map: maps.users.extents(),
            gid_map: maps.groups.extents(),
        };
        Ok(set.one(Image::Userns(tree_id("user")), &entry)?)
    }

    /// Of a namespace with these maps, as the kernel writes them.
    #[cfg(test)]
    pub fn with_maps(users: &str, groups: &str) -> Self {
        let map = |text: &str| Map::parse(text.as_bytes()).unwrap();
        Self(Some(Maps {
            namespace: None,
            users: map(users),
            groups: map(groups),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_our_namespace_stay_as_they_are() {
        let owner = Owner {
            uid: Uid(7),
            gid: Gid(u32::MAX),
        };
        assert_eq!(Users::OURS.owner(owner), Ok((7, u32::MAX)));
    }

    #[test]
    fn ids_of_another_namespace_are_looked_up() {
        let users = Users::with_maps("0 20000 10\n100 50000 5\n", "0 1000 1\n");
        assert_eq!(users.uid(Uid(20009)), Ok(9));
        assert_eq!(users.uid(Uid(50004)), Ok(104));
        assert_eq!(users.uid(Uid(0)), Err(Unmapped::User(Uid(0))));
        assert_eq!(users.gid(Gid(1000)), Ok(0));
        let owner = Owner {
            uid: Uid(20000),
            gid: Gid(20000),
        };
        let unmapped = users.owner(owner).unwrap_err();
        assert_eq!(unmapped.to_string(), "group 20000");
    }
}
