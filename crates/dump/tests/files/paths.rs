//! Files with a path.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use commensal_dump::Options;
use commensal_images::Image;
use commensal_images::messages::{FdTypes, FileLockEntry, RemapFilePathEntry};
use rustix::fs::{FlockOperation, OFlags};
use tempfile::TempDir;

use crate::victim::{Victim, asked, dump, null, refusal};

/// A file, made where there is none.
pub fn rw(path: &std::path::Path) -> File {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap()
}

#[test]
fn offset_flags_size_and_name_of_a_regular_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a\nfile\x1b[31m (deleted)");
    let mut file = rw(&path);
    file.write_all(b"0123456789").unwrap();
    file.seek(SeekFrom::Start(7)).unwrap();
    let log = File::options().append(true).open(&path).unwrap();
    let dumped = dump(&[&Victim::with(file, log)], &Options::default()).unwrap();

    let reg = dumped.file(0, 1).reg.as_ref().unwrap();
    assert_eq!(reg.name, path.as_os_str().as_bytes());
    assert_eq!((reg.pos, reg.size), (7, Some(10)));
    assert_eq!(reg.flags & OFlags::RWMODE.bits(), OFlags::RDWR.bits());
    assert_eq!(reg.mode.unwrap() & 0o170_000, 0o100_000);

    let log = dumped.file(0, 2).reg.as_ref().unwrap();
    assert_eq!(log.size, None, "a log may grow before the restore");
    assert_ne!(log.flags & OFlags::APPEND.bits(), 0);
    assert_eq!(
        dumped
            .images
            .all::<RemapFilePathEntry>(Image::RemapFpath)
            .unwrap(),
        []
    );
}

#[test]
fn duplicates_stay_one_file_across_tasks_and_other_opens_do_not() {
    let dir = TempDir::new().unwrap();
    let file = rw(&dir.path().join("file"));
    let duplicate = file.try_clone().unwrap();
    let again = file.try_clone().unwrap();
    let other = rw(&dir.path().join("file"));
    let (a, b) = (Victim::with(file, duplicate), Victim::with(again, other));
    let dumped = dump(&[&a, &b], &Options::default()).unwrap();
    let id = dumped.file(0, 1).id;
    assert_eq!(dumped.file(0, 2).id, id);
    assert_eq!(dumped.file(1, 1).id, id);
    assert_ne!(dumped.file(1, 2).id, id);
}

#[test]
fn directories_and_path_only_descriptors() {
    let dir = TempDir::new().unwrap();
    let directory = File::open(dir.path()).unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let path_only = rustix::fs::open(
        &fifo,
        OFlags::PATH | OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    let dumped = dump(&[&Victim::with(directory, path_only)], &Options::default()).unwrap();
    let directory = dumped.file(0, 1).reg.as_ref().unwrap();
    assert_eq!(directory.name, dir.path().as_os_str().as_bytes());
    let path_only = dumped.file(0, 2).reg.as_ref().unwrap();
    assert_ne!(path_only.flags & OFlags::PATH.bits(), 0);
    assert_eq!(path_only.name, fifo.as_os_str().as_bytes());
}

#[test]
fn locks_need_the_option_and_are_written_once_for_a_description() {
    let dir = TempDir::new().unwrap();
    let file = rw(&dir.path().join("locked"));
    rustix::fs::flock(file.as_fd(), FlockOperation::LockShared).unwrap();
    let duplicate = file.try_clone().unwrap();
    let victim = Victim::with(file, duplicate);
    assert!(
        refusal_of_each(&victim)
            .iter()
            .all(|remedy| remedy.contains("--file-locks"))
    );

    let options = Options {
        file_locks: true,
        ..Options::default()
    };
    let dumped = dump(&[&victim], &options).unwrap();
    let locks: Vec<FileLockEntry> = dumped.images.all(Image::FileLocks).unwrap();
    let expected = FileLockEntry {
        flag: 2,
        r#type: 0,
        pid: victim.pid().get(),
        fd: 1,
        start: 0,
        len: 0,
    };
    assert_eq!(locks, [expected]);
}

fn refusal_of_each(victim: &Victim) -> Vec<String> {
    let refused = asked(victim, &[], &Options::default());
    assert_eq!(refused.len(), 2, "one for each descriptor");
    refused.into_iter().map(|refusal| refusal.remedy).collect()
}

#[test]
fn memory_devices_are_files_and_other_devices_are_refused_by_their_number() {
    let zero: OwnedFd = File::open("/dev/zero").unwrap().into();
    let dumped = dump(&[&Victim::with(zero, null())], &Options::default()).unwrap();
    assert_eq!(dumped.file(0, 1).reg.as_ref().unwrap().name, b"/dev/zero");
    assert_eq!(dumped.file(0, 2).r#type(), FdTypes::Reg);

    // A device of no driver that could be dumped: the loop control, or the random seed's sibling.
    let Ok(device) = File::open("/dev/loop-control") else {
        return;
    };
    let refusal = refusal(&Victim::with(device, null()), &Options::default());
    assert!(refusal.what.contains("10:237"), "{refusal}");
}

#[test]
fn a_file_the_restore_will_be_given_is_only_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("given");
    fs::write(&path, b"").unwrap();
    let file = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let stat = commensal_dump::files::Stat::of(file.as_fd()).unwrap();
    let external = commensal_dump::External::File {
        mnt_id: stat.mnt_id as u32,
        inode: stat.ino,
    };
    let name = external.id();
    let options = Options {
        external: vec![external],
        ..Options::default()
    };
    let dumped = dump(&[&Victim::with(file, null())], &options).unwrap();
    let reg = dumped.file(0, 1).reg.as_ref().unwrap();
    assert_eq!(
        (reg.name.as_slice(), reg.ext),
        (name.as_bytes(), Some(true))
    );
    assert!(!dumped.path().join("ghost-file-1.img").exists());
}

#[test]
fn two_opens_of_one_file_stay_apart_in_twenty_tasks() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"").unwrap();
    let (a, b) = (File::open(&path).unwrap(), File::open(&path).unwrap());
    let victims: Vec<_> = (0..20)
        .map(|_| Victim::with(a.try_clone().unwrap(), b.try_clone().unwrap()))
        .collect();
    let dumped = dump(&victims.iter().collect::<Vec<_>>(), &Options::default()).unwrap();
    for n in 0..victims.len() {
        assert_eq!(dumped.file(n, 1).id, dumped.file(0, 1).id);
        assert_eq!(dumped.file(n, 2).id, dumped.file(0, 2).id);
    }
    assert_ne!(dumped.file(0, 1).id, dumped.file(0, 2).id);
}

#[test]
fn images_are_private() {
    let dumped = dump(&[&Victim::with(null(), null())], &Options::default()).unwrap();
    let mode = fs::metadata(dumped.path().join("files.img"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
