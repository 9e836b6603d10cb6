//! Files that the kernel makes: events, timers, watches, memory files.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use commensal_dump::Options;
use commensal_images::Image;
use commensal_images::messages::{FdTypes, GhostFileEntry, MemfdInodeEntry};
use commensal_sys::Pid;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, inotify, memfd_create};
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tempfile::TempDir;

use crate::victim::{Victim, asked, dump, null, refusal, refusal_of_frozen};

/// include/uapi/linux/magic.h
const TMPFS: i64 = 0x0102_1994;

#[test]
fn eventfd_has_its_counter() {
    let counter = eventfd(41, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap();
    let dumped = dump(&[&Victim::with(counter, null())], &Options::default()).unwrap();
    let entry = dumped.file(0, 1).efd.as_ref().unwrap();
    assert_eq!(entry.counter, 41);
    assert_ne!(entry.flags & rustix::fs::OFlags::NONBLOCK.bits(), 0);
}

#[test]
fn a_semaphore_eventfd_is_refused() {
    let semaphore = eventfd(1, EventfdFlags::SEMAPHORE | EventfdFlags::CLOEXEC).unwrap();
    let refusal = refusal(&Victim::with(semaphore, null()), &Options::default());
    assert!(refusal.what.contains("semaphore"));
    assert!(!refusal.remedy.is_empty());
}

#[test]
fn timerfd_has_its_times() {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).unwrap();
    let times = Itimerspec {
        it_interval: Timespec {
            tv_sec: 3,
            tv_nsec: 5,
        },
        it_value: Timespec {
            tv_sec: 1000,
            tv_nsec: 0,
        },
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times).unwrap();
    let dumped = dump(&[&Victim::with(timer, null())], &Options::default()).unwrap();
    let entry = dumped.file(0, 1).tfd.as_ref().unwrap();
    assert_eq!((entry.isec, entry.insec, entry.ticks), (3, 5, 0));
    assert!(
        (900..=1000).contains(&entry.vsec),
        "what is left: {}",
        entry.vsec
    );
}

#[test]
fn timerfd_keeps_ticks_that_were_not_read() {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).unwrap();
    let times = Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: Timespec {
            tv_sec: 0,
            tv_nsec: 1,
        },
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times).unwrap();
    let mut fds = [rustix::event::PollFd::new(
        &timer,
        rustix::event::PollFlags::IN,
    )];
    let limit = rustix::event::Timespec::try_from(Duration::from_secs(60)).unwrap();
    assert_eq!(rustix::event::poll(&mut fds, Some(&limit)), Ok(1));
    let dumped = dump(&[&Victim::with(timer, null())], &Options::default()).unwrap();
    assert_eq!(dumped.file(0, 1).tfd.as_ref().unwrap().ticks, 1);
}

#[test]
fn epoll_watches_the_number_its_target_has_now() {
    let target = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let instance = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let data = epoll::EventData::new_u64(0xdead_beef_cafe);
    epoll::add(&instance, &target, data, epoll::EventFlags::IN).unwrap();
    assert!(
        target.as_raw_fd() > 2,
        "the number it was added under is another one"
    );
    let dumped = dump(&[&Victim::with(instance, target)], &Options::default()).unwrap();
    let entry = dumped.file(0, 1).epfd.as_ref().unwrap();
    assert_eq!(entry.tfd.len(), 1);
    assert_eq!((entry.tfd[0].tfd, entry.tfd[0].data), (2, 0xdead_beef_cafe));
    assert_ne!(entry.tfd[0].events & epoll::EventFlags::IN.bits(), 0);
}

#[test]
fn epoll_instances_nest() {
    let inner = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let data = epoll::EventData::new_u64(9);
    epoll::add(&outer, &inner, data, epoll::EventFlags::IN).unwrap();
    let dumped = dump(&[&Victim::with(outer, inner)], &Options::default()).unwrap();
    assert_eq!(dumped.file(0, 1).epfd.as_ref().unwrap().tfd[0].tfd, 2);
    assert_eq!(dumped.file(0, 2).epfd.as_ref().unwrap().tfd, []);
}

#[test]
fn epoll_on_a_file_that_the_task_closed_is_refused() {
    let target = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let instance = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let data = epoll::EventData::new_u64(0);
    epoll::add(&instance, &target, data, epoll::EventFlags::IN).unwrap();
    // The test keeps the target open, so the victim's instance goes on watching it.
    // Only a tree that stands still can be asked: a running one is about to close what it closed.
    let victim = Victim::with(instance, null());
    let refused = refusal_of_frozen(&victim);
    let number = format!("descriptor {}", target.as_raw_fd());
    assert!(refused.what.contains(&number), "{refused}");
}

#[test]
fn inotify_watches_have_a_path() {
    let dir = TempDir::new().unwrap();
    let instance = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    let mask = inotify::WatchFlags::CREATE | inotify::WatchFlags::DELETE;
    let wd = inotify::add_watch(&instance, dir.path(), mask).unwrap();
    let dumped = dump(&[&Victim::with(instance, null())], &Options::default()).unwrap();
    let entry = dumped.file(0, 1).ify.as_ref().unwrap();
    assert_eq!(entry.wd.len(), 1);
    let watch = &entry.wd[0];
    assert_eq!(
        (watch.wd as i32, watch.mask & mask.bits()),
        (wd, mask.bits())
    );
    let path = watch.f_handle.path.as_ref().unwrap();
    assert_eq!(String::from_utf8_lossy(path), dir.path().to_str().unwrap());
}

#[test]
fn inotify_on_a_deleted_file_leads_to_its_saved_contents() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("gone");
    let file = std::fs::File::create(&path).unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap());
    let instance = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&instance, &path, inotify::WatchFlags::MODIFY).unwrap();
    // It stays open, so the watch stays.
    std::fs::remove_file(&path).unwrap();
    let victim = Victim::with(instance, file);
    if rustix::fs::statfs(dir.path()).unwrap().f_type == TMPFS {
        assert!(
            refusal(&victim, &Options::default())
                .what
                .contains("a watch on inode")
        );
        return;
    }
    let dumped = dump(&[&victim], &Options::default()).unwrap();
    let watch = &dumped.file(0, 1).ify.as_ref().unwrap().wd[0];
    assert_eq!((watch.i_ino, watch.f_handle.path.as_ref()), (inode, None));
    let mut ghost = dumped.images.entries(Image::GhostFile(1)).unwrap().unwrap();
    let ghost: GhostFileEntry = ghost.required().unwrap();
    assert_eq!((ghost.ino, ghost.dev), (Some(inode), Some(watch.s_dev)));
}

#[test]
fn pidfds_of_the_tree_and_of_the_dead() {
    let me = Pid::new(std::process::id() as i32).unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let child_pid = Pid::new(child.id() as i32).unwrap();
    let dead = pidfd_open(child_pid.to_rustix(), PidfdFlags::empty()).unwrap();
    child.wait().unwrap();
    let dumped = dump(&[&Victim::with(dead, null())], &Options::default()).unwrap();
    let entry = dumped.file(0, 1).pidfd.as_ref().unwrap();
    assert_eq!(entry.nspid, -1);
    assert_ne!(entry.ino, 0);

    let outside = pidfd_open(me.to_rustix(), PidfdFlags::empty()).unwrap();
    let refusal = refusal(&Victim::with(outside, null()), &Options::default());
    assert!(refusal.what.contains(&format!("task {me}")), "{refusal}");
}

#[test]
fn a_pidfd_of_a_zombie_is_one_of_the_tree() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let zombie = Pid::new(child.id() as i32).unwrap();
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(zombie.to_rustix()), ended).unwrap();
    let fd = pidfd_open(zombie.to_rustix(), PidfdFlags::empty()).unwrap();
    let victim = Victim::with(fd, null());
    let options = Options::default();
    assert_eq!(asked(&victim, &[zombie], &options), []);
    assert_eq!(asked(&victim, &[], &options).len(), 1);
    child.wait().unwrap();
}

#[test]
fn a_memory_file_has_its_name_and_seals() {
    let fd = memfd_create(c"a name", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    let mut file = std::fs::File::from(fd);
    file.write_all(&[5; 10_000]).unwrap();
    rustix::fs::fcntl_add_seals(&file, SealFlags::GROW).unwrap();
    let again = file.try_clone().unwrap();
    let victim = Victim::with(file, again);
    let dumped = dump(&[&victim], &Options::default()).unwrap();
    let entry = dumped.file(0, 1).memfd.as_ref().unwrap();
    assert_eq!(entry.pos, 10_000);
    let inodes: Vec<MemfdInodeEntry> = dumped.images.all(Image::MemfdInode).unwrap();
    assert_eq!(inodes.len(), 1);
    assert_eq!(u64::from(entry.inode_id), inodes[0].inode_id);
    assert_eq!(
        (inodes[0].name.as_slice(), inodes[0].size),
        (&b"a name"[..], 10_000)
    );
    assert_eq!(inodes[0].seals, SealFlags::GROW.bits());
}

#[test]
fn a_namespace_of_the_tree_has_its_kind() {
    /// include/uapi/linux/sched.h
    const CLONE_NEWUTS: u32 = 0x0400_0000;
    let namespace: OwnedFd = std::fs::File::open("/proc/self/ns/uts").unwrap().into();
    let dumped = dump(&[&Victim::with(namespace, null())], &Options::default()).unwrap();
    let entry = dumped.file(0, 1).nsf.as_ref().unwrap();
    assert_eq!(entry.ns_cflag, CLONE_NEWUTS);
}

#[test]
fn a_descriptor_of_each_kind_has_its_type() {
    let counter = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let memory = memfd_create(c"", MemfdFlags::CLOEXEC).unwrap();
    let dumped = dump(&[&Victim::with(counter, memory)], &Options::default()).unwrap();
    let types = [0, 1, 2].map(|fd| dumped.file(0, fd).r#type());
    assert_eq!(types, [FdTypes::Pipe, FdTypes::Eventfd, FdTypes::Memfd]);
}
