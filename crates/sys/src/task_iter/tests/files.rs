//! Records of descriptors.

use super::*;

#[test]
fn duplicates_have_the_same_description_and_others_have_not() {
    let Some(files) = of_this::<FileRecord>() else {
        return;
    };
    let first = std::fs::File::open("/dev/null").unwrap();
    let duplicate = first.try_clone().unwrap();
    let second = std::fs::File::open("/dev/null").unwrap();
    let records = files.read().unwrap();
    let description = |file: &std::fs::File| {
        let fd = file.as_raw_fd() as u32;
        let mut of = records.iter().filter(|record| record.fd == fd);
        (of.next().unwrap().description, of.next())
    };
    assert_ne!(description(&first).0, 0);
    assert_eq!(description(&first), description(&duplicate));
    assert_ne!(description(&first).0, description(&second).0);
    assert_eq!(description(&second).1, None);
}

#[test]
fn a_record_tells_flags_and_path_and_which_locks_there_are() {
    let Some(reader) = loaded::<FileRecord>() else {
        return;
    };
    let own = Pid::new(std::process::id() as i32).unwrap();
    let files = reader.of(own).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let create = |name: &str| std::fs::File::create(dir.path().join(name)).unwrap();
    let (one, other) = (create("one"), create("other"));
    let appending = std::fs::File::options()
        .append(true)
        .open(dir.path().join("one"))
        .unwrap();
    let leased = create("leased");
    let lease = |kind: u64| {
        const F_SETLEASE: u64 = 1024;
        let args = [leased.as_raw_fd() as u64, F_SETLEASE, kind, 0, 0, 0];
        // SAFETY: F_SETLEASE takes a number and touches no memory of ours.
        unsafe { crate::raw::syscall(linux_raw_sys::general::__NR_fcntl, args) }.unwrap()
    };
    const F_WRLCK: u64 = 1;
    const F_UNLCK: u64 = 2;
    other.lock().unwrap();
    lease(F_WRLCK);
    let records = files.read().unwrap();
    let of = |file: &std::fs::File| {
        let fd = file.as_raw_fd() as u32;
        *records.iter().find(|record| record.fd == fd).unwrap()
    };
    for file in [&one, &other, &appending] {
        let flags = rustix::fs::fcntl_getfl(file).unwrap();
        assert_eq!(of(file).flags, flags.bits());
    }
    assert_eq!(of(&one).path, of(&appending).path);
    assert_ne!(of(&one).path, of(&other).path);
    assert_eq!((of(&one).locks, of(&appending).locks), (0, 0));
    assert_eq!(of(&other).locks, FileRecord::FLOCK);
    assert_eq!(of(&leased).locks, FileRecord::LEASE);
    other.unlock().unwrap();
    lease(F_UNLCK);
    rustix::fs::fcntl_lock(&one, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let records = files.read().unwrap();
    let of = |file: &std::fs::File| {
        let fd = file.as_raw_fd() as u32;
        records.iter().find(|record| record.fd == fd).unwrap().locks
    };
    assert_eq!((of(&other), of(&leased)), (0, 0));
    assert_eq!([of(&one), of(&appending)], [FileRecord::POSIX; 2]);
}

#[test]
fn a_file_that_nobody_owns_is_told_from_one_that_has_an_owner() {
    let Some(files) = of_this::<FileRecord>() else {
        return;
    };
    let (free, _end) = std::os::unix::net::UnixStream::pair().unwrap();
    let (owned, _end) = std::os::unix::net::UnixStream::pair().unwrap();
    const F_SETOWN: u64 = 8;
    let args = [
        owned.as_raw_fd() as u64,
        F_SETOWN,
        this().get() as u64,
        0,
        0,
        0,
    ];
    // SAFETY: F_SETOWN takes a number and touches no memory of ours.
    unsafe { raw::syscall(linux_raw_sys::general::__NR_fcntl, args) }.unwrap();
    let records = files.read().unwrap();
    let owner = |fd: i32| {
        records
            .iter()
            .find(|record| record.fd == fd as u32)
            .unwrap()
            .owner
    };
    assert_ne!(owner(owned.as_raw_fd()), 0);
    // Before Linux 6.12 nothing is known of any.
    if owner(free.as_raw_fd()) != 0 {
        assert!(records.iter().all(|record| record.owner == 1));
    }
}
