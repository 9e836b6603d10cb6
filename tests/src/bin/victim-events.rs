//! What the kernel makes for events: counters, timers, epoll, inotify, pidfds, memory files.

use std::fs::{self, File};
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::symlink;
use std::time::Duration;

use commensal_tests::victim::{Rounds, check, fault, sleep};
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_get_seals, inotify, memfd_create};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_gettime,
    timerfd_settime,
};

fn main() {
    let epolls = Epolls::new();
    let timer = timer();
    let watch = Watch::new();
    let memory = Memory::new();
    let me = pidfd_open(getpid(), PidfdFlags::empty()).expect("a pidfd");
    let mut rounds = Rounds::default();
    loop {
        epolls.check(rounds.count());
        let times = timerfd_gettime(&timer).expect("times");
        check(
            times.it_interval.tv_sec == 3600,
            "the timer's interval changed",
        );
        check(
            (1..=7200).contains(&times.it_value.tv_sec),
            "the timer's time changed",
        );
        watch.check();
        memory.check();
        check(is_self(&me), "the pidfd is of another task");
        sleep(Duration::from_millis(20));
        rounds.done();
    }
}

fn timer() -> OwnedFd {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::empty()).expect("a timer");
    let times = Itimerspec {
        it_interval: Timespec {
            tv_sec: 3600,
            tv_nsec: 0,
        },
        it_value: Timespec {
            tv_sec: 7200,
            tv_nsec: 0,
        },
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times).expect("a set timer");
    timer
}

fn is_self(pidfd: &OwnedFd) -> bool {
    use std::os::fd::AsRawFd;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()));
    let mine = format!("Pid:\t{}\n", getpid().as_raw_nonzero());
    info.is_ok_and(|info| info.contains(&mine))
}

/// An instance in an instance, and a target under another number than it was added by.
struct Epolls {
    outer: OwnedFd,
    _inner: OwnedFd,
    counter: OwnedFd,
}

const COUNTER: u64 = 0xc0ff_ee00_0000_0001;
const INNER: u64 = 7;

impl Epolls {
    fn new() -> Self {
        let outer = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let inner = epoll::create(epoll::CreateFlags::empty()).expect("epoll");
        let added = eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd");
        let add = |to: &OwnedFd, what: &OwnedFd, data| {
            let data = epoll::EventData::new_u64(data);
            epoll::add(to, what, data, epoll::EventFlags::IN).expect("a target");
        };
        add(&inner, &added, COUNTER);
        add(&outer, &inner, INNER);
        add(&outer, &added, COUNTER);
        let counter = rustix::io::dup(&added).expect("a duplicate");
        drop(added);
        Self {
            outer,
            _inner: inner,
            counter,
        }
    }

    /// Counts up, sees both targets ready, counts down.
    fn check(&self, round: u64) {
        rustix::io::write(&self.counter, &(round + 1).to_ne_bytes()).expect("a count");
        let mut events = Vec::with_capacity(8);
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        epoll::wait(&self.outer, spare_capacity(&mut events), Some(&now)).expect("events");
        let mut ready: Vec<u64> = events.iter().map(|event| event.data.u64()).collect();
        ready.sort_unstable();
        check(ready == [INNER, COUNTER], "epoll watches something else");
        let mut count = [0; 8];
        rustix::io::read(&self.counter, &mut count).expect("a count");
        check(
            u64::from_ne_bytes(count) == round + 1,
            "the eventfd counts something else",
        );
    }
}

/// A directory that is watched.
struct Watch {
    instance: OwnedFd,
    wd: i32,
}

impl Watch {
    fn new() -> Self {
        fs::create_dir("watched").expect("a directory");
        let instance = inotify::init(inotify::CreateFlags::NONBLOCK).expect("inotify");
        let mask = inotify::WatchFlags::CREATE;
        let wd = inotify::add_watch(&instance, "watched", mask).expect("a watch");
        Self { instance, wd }
    }

    fn check(&self) {
        // A link, for it is made without a descriptor, which a look from outside might see.
        symlink("nowhere", "watched/file").expect("a link");
        fs::remove_file("watched/file").expect("a link to remove");
        let mut buffer = [MaybeUninit::uninit(); 512];
        let mut events = inotify::Reader::new(&self.instance, &mut buffer);
        match events.next() {
            Ok(event) => {
                check(event.wd() == self.wd, "the watch has another number");
                check(
                    event.file_name().is_some_and(|name| name == c"file"),
                    "another name",
                );
            }
            Err(errno) => fault(&format!("no event: {errno}")),
        }
    }
}

/// A memory file that may not grow.
struct Memory(File);

impl Memory {
    fn new() -> Self {
        let fd = memfd_create(c"victim", MemfdFlags::ALLOW_SEALING).expect("memory");
        let mut file = File::from(fd);
        file.write_all(&[3; 50_000]).expect("room");
        rustix::fs::fcntl_add_seals(&file, SealFlags::GROW).expect("a seal");
        Self(file)
    }

    fn check(&self) {
        let mut bytes = vec![0; 50_000];
        self.0.read_exact_at(&mut bytes, 0).expect("data");
        check(
            bytes.iter().all(|byte| *byte == 3),
            "the memory file changed",
        );
        check(
            fcntl_get_seals(&self.0) == Ok(SealFlags::GROW),
            "the seals changed",
        );
    }
}
