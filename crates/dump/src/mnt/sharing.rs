//! Groups of mounts that share events (mount_namespaces(7)), whether a restore can make them again:
//! it gives a mount its group by copying that of another one, which must show all that it shows.

use super::Mount;
use super::external::Given;
use super::mountinfo::is_below;
use super::table::{Against, Table};

/// What stands against the groups of a mount.
pub fn against(mount: &Mount, table: &Table<'_>) -> Option<Against> {
    let has_master = mount.master == 0 || {
        let mut others = table.mounts();
        others.any(|other| {
            (other.id != mount.id && other.shared == mount.master)
                || (is_bound_from_outside(other, table)
                    && other.master == mount.master
                    && super::table::holds(other, mount))
        })
    };
    if !has_master {
        return Some((
            "it receives mount events from a group outside of the tree, which the restore would not \
             find",
            "make it private: mount --make-private".into(),
        ));
    }
    let copied = copied_from(mount, table);
    copied.is_some_and(|from| !is_below(&mount.root, &from.root)).then(|| {
        (
            "it shares mount events with mounts of other parts of its file system, none of which \
             shows all that the others do",
            "make it private: mount --make-private".into(),
        )
    })
}

/// Whether the restore binds a mount from one outside of the tree, whose groups it can have then.
fn is_bound_from_outside(mount: &Mount, table: &Table<'_>) -> bool {
    let given = table.external(mount);
    table.is_root_of_tree(mount) || given.is_some_and(|given| !matches!(given, Given::Device(_)))
}

/// The mount whose group a restore copies: of those of the same group the one that shows most, and
/// for that one, of its masters. From outside of the tree, each is copied by itself.
fn copied_from<'m>(mount: &Mount, table: &Table<'m>) -> Option<&'m Mount> {
    let first =
        |mounts: &mut dyn Iterator<Item = &'m Mount>| mounts.min_by_key(|one| one.root.len());
    let groups = |one: &Mount| (one.shared, one.master);
    if groups(mount) == (0, 0) {
        return None;
    }
    let master = first(
        &mut table
            .mounts()
            .filter(|one| mount.master != 0 && one.shared == mount.master),
    );
    let peer = first(&mut table.mounts().filter(|one| groups(one) == groups(mount)))?;
    match (peer.id == mount.id, master) {
        (true, master) => master,
        (false, None) if mount.shared == 0 => None,
        (false, _) => Some(peer),
    }
}
