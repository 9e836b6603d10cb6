//! Who may read a directory of images.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use commensal_images::messages::{InventoryEntry, UidGidExtent, UsernsEntry};
use commensal_images::{Existing, Image, ImageSet, ImagesDir, ShareError, share_with_tree};

/// A set of a tree whose user 0 is `uid` outside.
fn write_set(dir: &Path, uid: u32) {
    let set = ImageSet::new(ImagesDir::create(dir, Existing::Keep).expect("a directory"));
    let extent = |first, lower_first| UidGidExtent {
        first,
        lower_first,
        count: 10,
    };
    let entry = UsernsEntry {
        uid_map: vec![extent(100, 70), extent(0, uid)],
        gid_map: vec![extent(0, 5)],
    };
    set.one(Image::Userns(15), &entry).expect("an image");
    set.finish(&InventoryEntry::default()).expect("a set");
}

/// The mode of a file, whose group bits are the mask of its list.
fn mode(path: &Path) -> u32 {
    let meta = fs::metadata(path).expect("it is there");
    meta.permissions().mode() & 0o777
}

#[test]
fn the_root_of_a_user_namespace_may_read_and_nobody_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    write_set(&first, 4321);
    write_set(&second, 4321);
    std::os::unix::fs::symlink("../first", second.join("parent")).expect("a link");
    match share_with_tree(&second) {
        Ok(uid) => assert_eq!(uid, Some(4321)),
        // This file system has no such lists.
        Err(ShareError::Write(error)) => return assert!(error.to_string().contains("xattr")),
        Err(error) => panic!("{error}"),
    }
    for dir in [first, second] {
        assert_eq!(mode(&dir), 0o750);
        assert_eq!(mode(&dir.join("inventory.img")), 0o640);
        assert_eq!(
            share_with_tree(&dir).expect("it is shared already"),
            Some(4321)
        );
    }
}

#[test]
fn what_its_root_owns_stays_as_it_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let images = dir.path().join("images");
    write_set(&images, rustix::process::geteuid().as_raw());
    share_with_tree(&images).expect("there is nothing to do");
    assert_eq!(mode(&images), 0o700);
    assert_eq!(mode(&images.join("userns-15.img")), 0o600);
}

#[test]
fn other_trees_have_no_user_namespace() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(share_with_tree(dir.path()).expect("it is empty"), None);
}
