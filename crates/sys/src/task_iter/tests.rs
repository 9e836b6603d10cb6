//! The kernel's records of threads and descriptors against what they are.

mod files;

use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;

use super::*;
use crate::raw;

/// prctl(2) with these gives what the kernel has written down.
const PR_GET_TID_ADDRESS: u64 = 40;

fn loaded<R: Record>() -> Option<Reader<R>> {
    match KernelTypes::read(None).and_then(|types| Reader::load(&types)) {
        Ok(reader) => Some(reader),
        // No right, or no type information: the dump asks the threads themselves then.
        Err(error) if [Errno::PERM, Errno::NOENT].contains(&error.errno) => None,
        Err(error) => panic!("{error}"),
    }
}

/// What is recorded of this process; none where the kernel does not tell.
fn of_this<R: Record>() -> Option<Records<R>> {
    Some(loaded()?.of(this()).unwrap())
}

fn this() -> Pid {
    Pid::new(std::process::id() as i32).unwrap()
}

fn tid() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// What is recorded while another thread is where it tells us something, and what that is.
fn beside<R: Record, T: Send + 'static>(
    records: &Records<R>,
    thread: impl FnOnce(&dyn Fn(T)) + Send + 'static,
) -> (Vec<R>, T) {
    let (sender, receiver) = channel();
    let (go_on, wait) = channel::<()>();
    let thread = std::thread::spawn(move || {
        thread(&|told| {
            sender.send(told).unwrap();
            let _ = wait.recv();
        });
    });
    let told = receiver.recv().unwrap();
    let records = records.read().unwrap();
    drop(go_on);
    thread.join().unwrap();
    (records, told)
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
    let Some(threads) = of_this::<ThreadRecord>() else {
        return;
    };
    let (records, (tid, address)) = beside(&threads, |tell| tell((tid(), tid_address())));
    let mut found: Vec<i32> = records.iter().map(|record| record.tid).collect();
    found.sort_unstable();
    assert!(
        found.contains(&this().get()) && found.contains(&tid),
        "{found:?}"
    );
    let record = records.iter().find(|record| record.tid == tid).unwrap();
    assert_eq!(record.tid_address, address);
    // Rust gives each thread an alternate stack for its overflows.
    assert!(record.altstack_size > 0 && record.altstack_sp > 0);
    assert_eq!((record.pdeath_sig, record.altstack_flags), (0, 0));
}

#[test]
fn only_a_thread_with_children_has_some() {
    let Some(threads) = of_this::<ThreadRecord>() else {
        return;
    };
    // Children are those of the thread that made them.
    let (records, with) = beside(&threads, |tell| {
        let mut cat = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        tell(tid());
        drop(cat.stdin.take());
        cat.wait().unwrap();
    });
    let without = tid();
    let has = |tid| {
        let record = records.iter().find(|record| record.tid == tid);
        record.unwrap().has_children == 1
    };
    assert!(has(with) && !has(without));
}

#[test]
fn a_change_of_mappings_is_counted_and_looking_at_them_is_not() {
    let Some(reader) = loaded::<ThreadRecord>() else {
        return;
    };
    let leader = reader.of_leader(this()).unwrap();
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

/// The task as it is recorded, and whether it is a subreaper, by itself.
fn own_task() -> Option<TaskRecord> {
    let records = of_this::<TaskRecord>()?.read().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].leader.tid, this().get());
    Some(records[0])
}

#[test]
fn the_limits_of_a_task_are_those_that_it_has() {
    let Some(task) = own_task() else {
        return;
    };
    let limit = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    for (resource, number) in [
        (rustix::process::Resource::Stack, 3),
        (rustix::process::Resource::Core, 4),
        (rustix::process::Resource::Nofile, 7),
        (rustix::process::Resource::Rttime, 15),
    ] {
        let own = rustix::process::getrlimit(resource);
        assert_eq!(
            task.limits[number],
            [limit(own.current), limit(own.maximum)]
        );
    }
}

#[test]
fn the_actions_of_signals_are_those_that_rt_sigaction_gives() {
    let Some(task) = own_task() else {
        return;
    };
    const SIGKILL: usize = 9;
    const SIGSTOP: usize = 19;
    let mut others = 0;
    for signal in (1..=64).filter(|signal| ![SIGKILL, SIGSTOP].contains(signal)) {
        let mut action = [0u64; 4];
        let args = [signal as u64, 0, action.as_mut_ptr() as u64, 8, 0, 0];
        // SAFETY: without a new action the call only writes the old one, 32 bytes.
        unsafe { raw::syscall(linux_raw_sys::general::__NR_rt_sigaction, args) }.unwrap();
        assert_eq!(task.actions[signal - 1], action, "signal {signal}");
        others += usize::from(action != [0; 4]);
    }
    // Rust ignores SIGPIPE and handles SIGSEGV and SIGBUS.
    assert!(others >= 3);
}

#[test]
fn what_the_threads_of_a_task_share_is_what_it_says() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let inherited = rustix::io::dup(&file).unwrap();
    let Some(task) = own_task() else {
        return;
    };
    let bit = |bits: [u64; 4], fd: i32| bits[fd as usize / 64] >> (fd % 64) & 1 == 1;
    let (closed, kept) = (file.as_raw_fd(), inherited.as_raw_fd());
    let shared = task.shared;
    assert!(bit(shared.open, closed) && bit(shared.open, kept));
    assert!(bit(shared.close_on_exec, closed) && !bit(shared.close_on_exec, kept));
    assert!(!bit(shared.open, 60));
    assert!(shared.max_fds >= 64);
    // SAFETY: brk(2) with 0 is below every heap, so it changes nothing and gives the heap's end.
    let brk = unsafe { raw::syscall(linux_raw_sys::general::__NR_brk, [0; 6]) }.unwrap();
    assert_eq!(shared.brk, brk);
    assert_eq!(
        shared.mm_flags & 3,
        1,
        "whoever is not privileged can be dumped"
    );
    assert_eq!(
        (shared.real_timer, shared.real_interval, shared.cpu_timers),
        (0, 0, [0; 4])
    );
    assert_eq!(shared.child_subreaper, 0);
    // PR_SET_CHILD_SUBREAPER; ITIMER_REAL and ITIMER_PROF in a day.
    let prctl = [36, 1, 0, 0, 0, 0];
    // SAFETY: the option takes a number.
    unsafe { raw::syscall(linux_raw_sys::general::__NR_prctl, prctl) }.unwrap();
    for which in [0, 2] {
        let day = [0i64, 0, 86400, 0];
        let args = [which, day.as_ptr() as u64, 0, 0, 0, 0];
        // SAFETY: the call reads one struct itimerval.
        unsafe { raw::syscall(linux_raw_sys::general::__NR_setitimer, args) }.unwrap();
    }
    let shared = own_task().unwrap().shared;
    assert_ne!(shared.real_timer, 0);
    assert_ne!(shared.cpu_timers, [0; 4]);
    assert_eq!(shared.child_subreaper, 1);
}
