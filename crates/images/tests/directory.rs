//! Images directories: who can read them, what is refused, what a failure leaves behind.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

use commensal_images::messages::{InventoryEntry, PstreeEntry};
use commensal_images::{
    Existing, Image, ImageSet, ImageSink, ImagesDir, ReadError, SavedImages, SinkFile, WriteError,
    write_service,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn new_set(path: &Path) -> ImageSet<ImagesDir> {
    ImageSet::new(ImagesDir::create(path, Existing::Refuse).unwrap())
}

fn inventory() -> InventoryEntry {
    InventoryEntry {
        img_version: 2,
        ..Default::default()
    }
}

#[test]
fn only_the_owner_can_read_images() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("images");
    let set = new_set(&dir);
    set.one(Image::Pstree, &PstreeEntry::default()).unwrap();
    drop(set.raw(Image::Pages(1)).unwrap());
    set.finish(&inventory()).unwrap();
    assert_eq!(mode(&dir), 0o700);
    for name in ["pstree.img", "pages-1.img", "inventory.img"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_directory_with_something_in_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes"), "mine").unwrap();
    let error = ImagesDir::create(dir.path(), Existing::Refuse).unwrap_err();
    assert!(matches!(error, WriteError::NotEmpty { .. }), "{error}");
}

#[test]
fn what_is_not_a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = ImagesDir::create(&file, Existing::Refuse).unwrap_err();
    let WriteError::Io { source, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::NotADirectory);
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn links_are_replaced_and_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let (outside, hard) = (dir.path().join("outside"), dir.path().join("hard"));
    fs::write(&outside, "keep").unwrap();
    fs::write(&hard, "keep").unwrap();
    let images = dir.path().join("images");
    fs::create_dir(&images).unwrap();
    symlink(&outside, images.join("pages-1.img")).unwrap();
    fs::hard_link(&hard, images.join("pages-2.img")).unwrap();
    let set = ImageSet::new(ImagesDir::create(&images, Existing::ReplaceSet).unwrap());
    for id in [1, 2] {
        set.raw(Image::Pages(id))
            .unwrap()
            .write_all_at(b"page", 0)
            .unwrap();
        let file = images.join(Image::Pages(id).file_name());
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
        assert_eq!(fs::read(&file).unwrap(), b"page");
    }
    assert_eq!(fs::read(&outside).unwrap(), b"keep");
    assert_eq!(fs::read(&hard).unwrap(), b"keep");
}

#[test]
fn a_new_set_takes_the_old_inventory_away_first() {
    let dir = tempfile::tempdir().unwrap();
    new_set(dir.path()).finish(&inventory()).unwrap();
    let set = ImageSet::new(ImagesDir::create(dir.path(), Existing::ReplaceSet).unwrap());
    set.one(Image::Pstree, &PstreeEntry::default()).unwrap();
    set.flush().unwrap();
    drop(set);
    let left: Vec<_> = SavedImages::open(dir.path()).unwrap().list().unwrap();
    assert_eq!(left, [Image::Pstree]);
}

#[test]
fn a_file_is_not_begun_twice() {
    let dir = tempfile::tempdir().unwrap();
    let set = new_set(dir.path());
    set.one(Image::Pstree, &PstreeEntry::default()).unwrap();
    set.one(Image::Pstree, &PstreeEntry::default()).unwrap();
    let error = set.flush().unwrap_err();
    let WriteError::Io {
        call: "openat",
        source,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn an_image_without_entries_has_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let set = new_set(dir.path());
    set.entries(Image::PipesData).unwrap().finish().unwrap();
    set.finish(&inventory()).unwrap();
    let saved = SavedImages::open(dir.path()).unwrap();
    assert_eq!(saved.list().unwrap(), [Image::Inventory]);
    assert!(saved.entries(Image::PipesData).unwrap().is_none());
}

#[test]
fn the_inventory_and_service_images_are_not_parts_to_write_early() {
    let dir = tempfile::tempdir().unwrap();
    let set = new_set(dir.path());
    for image in [Image::Inventory, Image::StatsDump] {
        let error = set.one(image, &inventory()).unwrap_err();
        assert!(matches!(error, WriteError::NotPartOfSet { .. }), "{error}");
    }
    assert!(matches!(
        write_service(set.sink(), Image::Pstree, &inventory()),
        Err(WriteError::WrongKind { .. })
    ));
    assert!(matches!(
        set.raw(Image::Pstree),
        Err(WriteError::WrongKind { .. })
    ));
    assert!(matches!(
        set.entries(Image::Pages(1)),
        Err(WriteError::WrongKind { .. })
    ));
    assert_eq!(SavedImages::open(dir.path()).unwrap().list().unwrap(), []);
}

#[test]
fn an_inventory_that_cannot_be_written_leaves_none() {
    // A directory in the way of the final name makes the last step fail.
    let dir = tempfile::tempdir().unwrap();
    let set = new_set(dir.path());
    fs::create_dir(dir.path().join("inventory.img")).unwrap();
    let error = set.finish(&inventory()).unwrap_err();
    assert!(
        matches!(
            error,
            WriteError::Io {
                call: "renameat",
                ..
            }
        ),
        "{error}"
    );
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["inventory.img"]);
    assert!(dir.path().join("inventory.img").is_dir());
}

/// A sink on a full disk.
#[derive(Debug)]
struct FullDisk;

impl ImageSink for FullDisk {
    fn create(&self, image: Image) -> Result<Box<dyn SinkFile>, WriteError> {
        Ok(Box::new(FullFile(image)))
    }

    fn commit(&self, image: Image, contents: &[u8]) -> Result<(), WriteError> {
        FullFile(image).write_all_at(contents, 0)
    }
}

struct FullFile(Image);

impl SinkFile for FullFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        full.write_all_at(bytes, offset)
            .map_err(|e| WriteError::io("pwrite64", self.0, e))
    }
}

#[test]
fn a_full_disk_is_told_with_the_file() {
    let set = ImageSet::new(FullDisk);
    let message = "No space left on device (os error 28)";
    set.one(Image::Core(9), &PstreeEntry::default()).unwrap();
    let error = set.flush().unwrap_err();
    assert_eq!(error.to_string(), format!("pwrite64 core-9.img: {message}"));
    let error = set.finish(&inventory()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("pwrite64 inventory.img: {message}")
    );
}

#[test]
fn names_that_are_no_files_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("pstree.img")).unwrap();
    symlink("/etc/passwd", dir.path().join("pages-1.img")).unwrap();
    let saved = SavedImages::open(dir.path()).unwrap();
    let error = saved.entries(Image::Pstree).unwrap_err();
    assert!(matches!(error, ReadError::NotRegular { .. }), "{error}");
    assert!(matches!(
        saved.raw(Image::Pages(1)),
        Err(ReadError::Io { call: "openat", .. })
    ));
    assert!(matches!(
        saved.one::<InventoryEntry>(Image::Inventory),
        Err(ReadError::Io { .. })
    ));
}

#[test]
fn it_counts_what_is_written_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let images = ImagesDir::create(dir.path(), Existing::Refuse).unwrap();
    let file = images.create(Image::Pages(1)).unwrap();
    file.write_all_at(&[1; 4096], 8192).unwrap();
    file.write_all_at(&[2; 10], 0).unwrap();
    images.commit(Image::Inventory, &[3; 100]).unwrap();
    assert_eq!(images.bytes(), 4096 + 10 + 100);
}
