//! Files that lost their name: deleted, renamed, replaced.

use std::fs::{self, File, Permissions};
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};

use commensal_dump::Options;
use commensal_images::Image;
use commensal_images::messages::{GhostChunkEntry, GhostFileEntry, RemapFilePathEntry, RemapType};
use tempfile::TempDir;

use crate::paths::rw;
use crate::victim::{Victim, dump, null, refusal};

#[test]
fn a_deleted_file_keeps_its_data_and_its_holes() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("sparse");
    let file = rw(&path);
    file.set_len(6 << 30).unwrap();
    file.write_all_at(&[1; 4096], 5 << 30).unwrap();
    fs::remove_file(&path).unwrap();
    let dumped = dump(&[&Victim::with(file, null())], &Options::default()).unwrap();

    let reg = dumped.file(0, 1).reg.as_ref().unwrap();
    assert_eq!(
        reg.name,
        path.as_os_str().as_bytes(),
        "without the kernel's suffix"
    );
    let remaps: Vec<RemapFilePathEntry> = dumped.images.all(Image::RemapFpath).unwrap();
    assert_eq!(remaps.len(), 1);
    assert_eq!(remaps[0].orig_id, reg.id);
    assert_eq!(remaps[0].remap_type(), RemapType::Ghost);

    let mut ghost = dumped
        .images
        .entries(Image::GhostFile(remaps[0].remap_id))
        .unwrap()
        .unwrap();
    let head: GhostFileEntry = ghost.required().unwrap();
    assert_eq!((head.chunks, head.size), (Some(true), Some(6 << 30)));
    let (chunk, data) = ghost
        .next_with_payload::<GhostChunkEntry>()
        .unwrap()
        .unwrap();
    assert_eq!((chunk.off, chunk.len), (5 << 30, 4096));
    assert_eq!(data, [1; 4096]);
    assert_eq!(ghost.next::<GhostChunkEntry>().unwrap(), None);
}

#[test]
fn a_deleted_file_open_twice_is_written_once_and_read_unseen() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("small");
    let mut file = rw(&path);
    file.write_all(b"contents").unwrap();
    let other = rw(&path);
    fs::remove_file(&path).unwrap();
    let watched = file.try_clone().unwrap();
    let before = watched.metadata().unwrap().accessed().unwrap();
    let dumped = dump(&[&Victim::with(file, other)], &Options::default()).unwrap();
    let mut offset = &watched;
    assert_eq!(
        offset.stream_position().unwrap(),
        8,
        "the offset did not move"
    );
    assert_eq!(watched.metadata().unwrap().accessed().unwrap(), before);

    let remaps: Vec<RemapFilePathEntry> = dumped.images.all(Image::RemapFpath).unwrap();
    assert_eq!(remaps.len(), 2);
    assert_eq!(remaps[0].remap_id, remaps[1].remap_id);
    let mut ghost = dumped
        .images
        .entries(Image::GhostFile(remaps[0].remap_id))
        .unwrap()
        .unwrap();
    ghost.required::<GhostFileEntry>().unwrap();
    assert_eq!(ghost.rest().unwrap(), b"contents");
}

#[test]
fn a_deleted_file_above_the_limit_is_refused_with_the_limit_it_needs() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("large");
    fs::write(&path, vec![7; 2 << 20]).unwrap();
    let file = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let victim = Victim::with(file, null());
    let refusal = refusal(&victim, &Options::default());
    assert!(refusal.what.contains("large"), "{refusal}");
    assert!(
        refusal.remedy.contains("--ghost-limit"),
        "{}",
        refusal.remedy
    );

    let options = Options {
        ghost_limit: 4 << 20,
        ..Options::default()
    };
    dump(&[&victim], &options).unwrap();
}

#[test]
fn a_file_under_another_name_needs_link_remap() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("first");
    fs::write(&path, b"shared").unwrap();
    fs::hard_link(&path, dir.path().join("second")).unwrap();
    let victim = Victim::with(File::open(&path).unwrap(), null());
    fs::remove_file(&path).unwrap();
    assert!(
        refusal(&victim, &Options::default())
            .remedy
            .contains("--link-remap")
    );

    let options = Options {
        link_remap: true,
        ..Options::default()
    };
    let dumped = dump(&[&victim], &options).unwrap();
    let remaps: Vec<RemapFilePathEntry> = dumped.images.all(Image::RemapFpath).unwrap();
    assert_eq!(remaps[0].remap_type(), RemapType::Linked);
    let link = dumped
        .files
        .iter()
        .find(|file| file.id == remaps[0].remap_id)
        .unwrap();
    let name = &link.reg.as_ref().unwrap().name;
    let name = std::path::Path::new(std::ffi::OsStr::from_bytes(name));
    assert_eq!(fs::read(name).unwrap(), b"shared");
}

#[test]
fn a_dump_that_fails_leaves_no_link_behind() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("first");
    fs::write(&path, b"shared").unwrap();
    fs::hard_link(&path, dir.path().join("second")).unwrap();
    let victim = Victim::with(File::open(&path).unwrap(), null());
    fs::remove_file(&path).unwrap();
    let options = Options {
        link_remap: true,
        ..Options::default()
    };
    let failed = crate::victim::dump_and_then(&[&victim], &options, |_| {
        Err(commensal_dump::Error::Cancelled)
    });
    assert!(failed.is_err());
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["second"]);
}

#[test]
fn a_name_that_another_file_took_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("name");
    fs::write(&path, b"old").unwrap();
    fs::hard_link(&path, dir.path().join("other")).unwrap();
    let file = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    // The kernel's suffix is on the link; a file of that very name takes its place.
    fs::write(dir.path().join("name (deleted)"), b"new").unwrap();
    let refusal = refusal(&Victim::with(file, null()), &Options::default());
    assert!(refusal.reason.contains("another file"), "{refusal}");
}

#[test]
fn a_file_without_permissions_is_still_dumped_when_deleted() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("write-only");
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .unwrap();
    file.write_all(b"x").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    fs::remove_file(&path).unwrap();
    let dumped = dump(&[&Victim::with(file, null())], &Options::default()).unwrap();
    let mut ghost = dumped.images.entries(Image::GhostFile(1)).unwrap().unwrap();
    assert_eq!(
        ghost.required::<GhostFileEntry>().unwrap().mode & 0o777,
        0o400
    );
    assert_eq!(ghost.rest().unwrap(), b"x");
}
