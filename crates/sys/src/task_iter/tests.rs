//! The kernel's records of threads and descriptors against what they are.

use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;

use super::*;
use crate::raw;

/// prctl(2) with these gives what the kernel has written down.
const PR_GET_TID_ADDRESS: u64 = 40;

fn loaded<R: Record>() -> Option<Reader<R>> {
    match KernelTypes::read().and_then(|types| Reader::load(&types)) {
        Ok(reader) => Some(reader),
        // No right, or no type information: the dump asks the threads themselves then.
        Err(error) if [Errno::PERM, Errno::NOENT].contains(&error.errno) => None,
        Err(error) => panic!("{error}"),
    }
}

fn tid_address() -> u64 {
    let mut address = 0u64;
    let args = [PR_GET_TID_ADDRESS, &raw mut address as u64, 0, 0, 0, 0];
    // SAFETY: the call writes eight bytes to `address`.
    unsafe { raw::syscall(linux_raw_sys::general::__NR_prctl, args) }.unwrap();
    address
}

#[test]
fn every_thread_has_a_record_and_no_other() {
    let Some(reader) = loaded::<ThreadRecord>() else {
        return;
    };
    let own = Pid::new(std::process::id() as i32).unwrap();
    let threads = reader.of(own).unwrap();
    let (sender, receiver) = channel();
    let (go_on, wait) = channel::<()>();
    let thread = std::thread::spawn(move || {
        let tid = rustix::thread::gettid().as_raw_nonzero().get();
        sender.send((tid, tid_address())).unwrap();
        let _ = wait.recv();
    });
    let (tid, address) = receiver.recv().unwrap();
    let records = threads.read().unwrap();
    drop(go_on);
    thread.join().unwrap();
    let mut found: Vec<i32> = records.iter().map(|record| record.tid).collect();
    found.sort_unstable();
    assert!(
        found.contains(&own.get()) && found.contains(&tid),
        "{found:?}"
    );
    let record = records.iter().find(|record| record.tid == tid).unwrap();
    assert_eq!(record.tid_address, address);
    // Rust gives each thread an alternate stack for its overflows.
    assert!(record.altstack_size > 0 && record.altstack_sp > 0);
    assert_eq!((record.pdeath_sig, record.altstack_flags), (0, 0));
}

#[test]
fn duplicates_have_the_same_description_and_others_have_not() {
    let Some(reader) = loaded::<FileRecord>() else {
        return;
    };
    let own = Pid::new(std::process::id() as i32).unwrap();
    let files = reader.of(own).unwrap();
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
fn a_file_that_nobody_owns_is_told_from_one_that_has_an_owner() {
    let Some(reader) = loaded::<FileRecord>() else {
        return;
    };
    let own = Pid::new(std::process::id() as i32).unwrap();
    let files = reader.of(own).unwrap();
    let (free, _end) = std::os::unix::net::UnixStream::pair().unwrap();
    let (owned, _end) = std::os::unix::net::UnixStream::pair().unwrap();
    const F_SETOWN: u64 = 8;
    let args = [
        owned.as_raw_fd() as u64,
        F_SETOWN,
        own.get() as u64,
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

#[test]
fn only_a_thread_with_children_has_some() {
    let Some(reader) = loaded::<ThreadRecord>() else {
        return;
    };
    let own = Pid::new(std::process::id() as i32).unwrap();
    let threads = reader.of(own).unwrap();
    let (sender, receiver) = channel();
    let (go_on, wait) = channel::<()>();
    // Children are those of the thread that made them.
    let parent = std::thread::spawn(move || {
        let mut cat = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let tid = rustix::thread::gettid().as_raw_nonzero().get();
        sender.send(tid).unwrap();
        let _ = wait.recv();
        drop(cat.stdin.take());
        cat.wait().unwrap();
    });
    let with = receiver.recv().unwrap();
    let without = rustix::thread::gettid().as_raw_nonzero().get();
    let records = threads.read().unwrap();
    drop(go_on);
    parent.join().unwrap();
    let has = |tid| {
        let record = records.iter().find(|record| record.tid == tid);
        record.unwrap().has_children()
    };
    assert!(has(with) && !has(without));
}

#[test]
fn a_change_of_mappings_is_counted_and_looking_at_them_is_not() {
    let Some(reader) = loaded::<ThreadRecord>() else {
        return;
    };
    let own = Pid::new(std::process::id() as i32).unwrap();
    let leader = reader.of_leader(own).unwrap();
    let changes = || {
        let records = leader.read().unwrap();
        assert_eq!(records.len(), 1);
        records[0].mapping_changes
    };
    if changes() == 0 {
        return;
    }
    let mut smaps = std::fs::File::open("/proc/self/smaps").unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut look = || {
        smaps.rewind().unwrap();
        while smaps.read(&mut buffer).unwrap() > 0 {}
    };
    // The allocator may ask the kernel for memory meanwhile, but not for ever.
    let mut is_quiet = || {
        let before = changes();
        look();
        changes() == before
    };
    assert!((0..100).any(|_| is_quiet()));
    let before = changes();
    let flags = rustix::mm::ProtFlags::READ;
    let private = rustix::mm::MapFlags::PRIVATE;
    // SAFETY: mmap(2) with a null hint and without MAP_FIXED picks a free range.
    let page = unsafe { rustix::mm::mmap_anonymous(core::ptr::null_mut(), 4096, flags, private) };
    let page = page.unwrap();
    let mapped = changes();
    assert_ne!(mapped, before);
    // No address changes with this, only a flag.
    // SAFETY: nobody uses the page, and what a child gets of it does not matter.
    unsafe { rustix::mm::madvise(page, 4096, rustix::mm::Advice::LinuxDontFork) }.unwrap();
    assert_ne!(changes(), mapped);
    // SAFETY: the page was mapped above, and is unmapped only here.
    unsafe { rustix::mm::munmap(page, 4096) }.unwrap();
}
