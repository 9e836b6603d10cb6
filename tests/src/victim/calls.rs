//! System calls that wait: each for a while, or until somebody wakes it.

#![allow(unsafe_code)]

use std::io;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long the timed ones wait.
pub const TIMED: Duration = Duration::from_secs(5);

/// A call to make, and how to end it where it waits for ever.
pub struct Waiting {
    /// Makes the call, which must succeed.
    pub call: Box<dyn FnOnce() -> io::Result<()>>,
    /// Wakes it; `None` for a call that ends by itself after [`TIMED`].
    pub wake: Option<Box<dyn FnOnce() + Send>>,
}

/// The names of all of them.
pub const NAMES: [&str; 22] = [
    "nanosleep",
    "clock_nanosleep",
    "clock_nanosleep-absolute",
    "poll",
    "poll-timed",
    "ppoll-timed",
    "select",
    "select-timed",
    "pselect-timed",
    "futex",
    "futex-timed",
    "read-pipe",
    "read-terminal",
    "recv",
    "accept",
    "wait4",
    "semop",
    "msgrcv",
    "sigtimedwait",
    "io_getevents",
    "epoll_wait",
    "epoll_pwait",
];

/// Prepare the call with this name.
pub fn prepare(name: &str) -> Option<Waiting> {
    let spec = timespec(TIMED);
    let ms = TIMED.as_millis() as usize;
    Some(match name {
        "nanosleep" => timed(0, move || {
            call(libc::SYS_nanosleep, [at(&spec), 0, 0, 0, 0, 0])
        }),
        "clock_nanosleep" => timed(0, move || {
            call(libc::SYS_clock_nanosleep, [1, 0, at(&spec), 0, 0, 0])
        }),
        "clock_nanosleep-absolute" => timed(0, || {
            let end = timespec(now() + TIMED);
            call(libc::SYS_clock_nanosleep, [1, 1, at(&end), 0, 0, 0])
        }),
        "poll-timed" => timed(0, move || call(libc::SYS_poll, [0, 0, ms, 0, 0, 0])),
        "ppoll-timed" => timed(0, move || call(libc::SYS_ppoll, [0, 0, at(&spec), 0, 8, 0])),
        "select-timed" => timed(0, || {
            let mut span = [TIMED.as_secs(), 0];
            call(libc::SYS_select, [0, 0, 0, 0, at_mut(&mut span), 0])
        }),
        "pselect-timed" => timed(0, move || {
            call(libc::SYS_pselect6, [0, 0, 0, 0, at(&spec), 0])
        }),
        "futex-timed" => timed(-libc::ETIMEDOUT, move || {
            let word = 0u32;
            call(libc::SYS_futex, [at(&word), 128, 0, at(&spec), 0, 0])
        }),
        "poll" | "select" | "read-pipe" | "epoll_wait" | "epoll_pwait" => on_a_pipe(name),
        "futex" => futex(),
        "read-terminal" => terminal(),
        "recv" => recv(),
        "accept" => accept(),
        "wait4" => wait_for_child(),
        "semop" => semaphore(),
        "msgrcv" => message(),
        "sigtimedwait" => signal(),
        "io_getevents" => aio(),
        _ => return None,
    })
}

fn timed(expected: i32, make: impl Fn() -> i64 + 'static) -> Waiting {
    Waiting {
        call: expect(i64::from(expected), make),
        wake: None,
    }
}

fn woken(
    expected: i64,
    make: impl Fn() -> i64 + 'static,
    wake: impl FnOnce() + Send + 'static,
) -> Waiting {
    Waiting {
        call: expect(expected, make),
        wake: Some(Box::new(wake)),
    }
}

fn expect(expected: i64, make: impl Fn() -> i64 + 'static) -> Box<dyn FnOnce() -> io::Result<()>> {
    Box::new(move || match make() {
        result if result == expected => Ok(()),
        error @ -4095..=-1 => Err(io::Error::from_raw_os_error(-error as i32)),
        other => Err(io::Error::other(format!("it gave {other}"))),
    })
}

fn on_a_pipe(name: &str) -> Waiting {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let fd = reader.as_raw_fd() as usize;
    let wake = move || writer.write_all(b"x").expect("a byte fits the pipe");
    let name = name.to_owned();
    let make = move || {
        let _open = &reader;
        match name.as_str() {
            "poll" => {
                let mut set = [libc::pollfd {
                    fd: fd as i32,
                    events: libc::POLLIN,
                    revents: 0,
                }];
                call(libc::SYS_poll, [at_mut(&mut set), 1, usize::MAX, 0, 0, 0])
            }
            "select" => {
                let mut set = [0u64; 16];
                set[fd / 64] |= 1 << (fd % 64);
                call(libc::SYS_select, [fd + 1, at_mut(&mut set), 0, 0, 0, 0])
            }
            "read-pipe" => {
                let mut byte = [0u8];
                call(libc::SYS_read, [fd, at_mut(&mut byte), 1, 0, 0, 0])
            }
            _ => {
                let epoll = call(libc::SYS_epoll_create1, [0; 6]) as usize;
                // struct epoll_event is packed: events, then eight bytes of data.
                let mut event = [1u32, 0, 0];
                call(
                    libc::SYS_epoll_ctl,
                    [epoll, 1, fd, at_mut(&mut event), 0, 0],
                );
                let (nr, mask) = match name.as_str() {
                    "epoll_wait" => (libc::SYS_epoll_wait, 0),
                    _ => (libc::SYS_epoll_pwait, at(&0u64)),
                };
                call(nr, [epoll, at_mut(&mut event), 1, usize::MAX, mask, 8])
            }
        }
    };
    woken(1, make, wake)
}

fn futex() -> Waiting {
    let word: &'static std::sync::atomic::AtomicU32 = Box::leak(Box::default());
    let address = at(word);
    let make = move || call(libc::SYS_futex, [address, 128, 0, 0, 0, 0]);
    woken(0, make, move || {
        call(libc::SYS_futex, [address, 129, 1, 0, 0, 0]);
    })
}

fn terminal() -> Waiting {
    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
    let master = rustix::pty::openpt(flags).expect("a terminal");
    rustix::pty::unlockpt(&master).expect("an unlocked terminal");
    let name = rustix::pty::ptsname(&master, Vec::new()).expect("its name");
    let slave = rustix::fs::open(
        name.as_c_str(),
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY,
        rustix::fs::Mode::empty(),
    )
    .expect("its other end");
    let make = move || {
        let mut byte = [0u8; 2];
        call(
            libc::SYS_read,
            [slave.as_raw_fd() as usize, at_mut(&mut byte), 2, 0, 0, 0],
        )
    };
    woken(2, make, move || {
        rustix::io::write(&master, b"x\n").expect("a line fits");
        // Closed, it would hang up before the line is read.
        std::mem::forget(master);
    })
}

fn recv() -> Waiting {
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    let make = move || {
        let mut byte = [0u8];
        call(
            libc::SYS_recvfrom,
            [ours.as_raw_fd() as usize, at_mut(&mut byte), 1, 0, 0, 0],
        )
    };
    woken(1, make, move || {
        theirs.write_all(b"x").expect("a byte fits")
    })
}

fn accept() -> Waiting {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let name = format!("victim-calls-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).expect("a short name");
    let listener = UnixListener::bind_addr(&address).expect("a free name");
    let make = move || {
        let fd = call(
            libc::SYS_accept,
            [listener.as_raw_fd() as usize, 0, 0, 0, 0, 0],
        );
        fd.min(0)
    };
    woken(0, make, move || {
        drop(UnixStream::connect_addr(&address).expect("a listener"))
    })
}

#[allow(clippy::zombie_processes)] // wait4 is what this is about.
fn wait_for_child() -> Waiting {
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("cat");
    let (pid, stdin) = (child.id(), child.stdin.take());
    let make = move || call(libc::SYS_wait4, [child.id() as usize, 0, 0, 0, 0, 0]);
    woken(i64::from(pid), make, move || drop(stdin))
}

fn semaphore() -> Waiting {
    let id = call(libc::SYS_semget, [0, 1, 0o600, 0, 0, 0]) as usize;
    // struct sembuf: number, operation, flags.
    let make = move || {
        let result = call(libc::SYS_semop, [id, at(&[0i16, -1, 0]), 1, 0, 0, 0]);
        call(libc::SYS_semctl, [id, 0, libc::IPC_RMID as usize, 0, 0, 0]);
        result
    };
    woken(0, make, move || {
        call(libc::SYS_semop, [id, at(&[0i16, 1, 0]), 1, 0, 0, 0]);
    })
}

fn message() -> Waiting {
    let id = call(libc::SYS_msgget, [0, 0o600, 0, 0, 0, 0]) as usize;
    let make = move || {
        let mut buffer = [0u64; 2];
        let result = call(libc::SYS_msgrcv, [id, at_mut(&mut buffer), 8, 0, 0, 0]);
        call(libc::SYS_msgctl, [id, libc::IPC_RMID as usize, 0, 0, 0, 0]);
        result
    };
    woken(8, make, move || {
        call(libc::SYS_msgsnd, [id, at(&[1u64, 7]), 8, 0, 0, 0]);
    })
}

/// `victim-calls` blocks SIGUSR1 in all threads.
fn signal() -> Waiting {
    let set = 1u64 << (libc::SIGUSR1 - 1);
    let tid = call(libc::SYS_gettid, [0; 6]) as usize;
    let make = move || call(libc::SYS_rt_sigtimedwait, [at(&set), 0, 0, 8, 0, 0]);
    woken(i64::from(libc::SIGUSR1), make, move || {
        call(libc::SYS_tkill, [tid, libc::SIGUSR1 as usize, 0, 0, 0, 0]);
    })
}

/// Waits for a read that is submitted when it is woken.
fn aio() -> Waiting {
    let context: &'static mut u64 = Box::leak(Box::new(0));
    assert_eq!(
        call(libc::SYS_io_setup, [1, at_mut(context), 0, 0, 0, 0]),
        0
    );
    let context = *context as usize;
    let make = move || {
        let mut event = [0u64; 4];
        call(
            libc::SYS_io_getevents,
            [context, 1, 1, at_mut(&mut event), 0, 0],
        )
    };
    woken(1, make, move || {
        let file = std::fs::File::open("/proc/self/exe").expect("the program");
        let buffer: &'static mut [u8; 8] = Box::leak(Box::new([0; 8]));
        // struct iocb: data, key, opcode 0 (read), descriptor, buffer, length.
        let mut block = [0u64; 8];
        block[2] = (file.as_raw_fd() as u64) << 32;
        (block[3], block[4]) = (at_mut(buffer) as u64, 8);
        let blocks = [at(&block)];
        assert_eq!(
            call(libc::SYS_io_submit, [context, 1, at(&blocks), 0, 0, 0]),
            1
        );
    })
}

/// Block SIGUSR1 in the calling thread and those it starts.
pub fn block_signal() {
    let set = 1u64 << (libc::SIGUSR1 - 1);
    call(libc::SYS_rt_sigprocmask, [0, at(&set), 0, 8, 0, 0]);
}

fn now() -> Duration {
    rustix::time::clock_gettime(rustix::time::ClockId::Monotonic)
        .try_into()
        .expect("after boot")
}

fn timespec(span: Duration) -> [u64; 2] {
    [span.as_secs(), u64::from(span.subsec_nanos())]
}

fn at<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>().addr()
}

fn at_mut<T: ?Sized>(value: &mut T) -> usize {
    std::ptr::from_mut(value).cast::<u8>().addr()
}

/// The raw result, a negated errno on failure.
fn call(nr: libc::c_long, args: [usize; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: each use above passes numbers and addresses of live values of the sizes that the
    // call's man page names; what the kernel writes to is borrowed mutably and of plain integers.
    let result = unsafe { libc::syscall(nr, a, b, c, d, e, f) };
    if result == -1 {
        let errno = io::Error::last_os_error().raw_os_error();
        return -i64::from(errno.unwrap_or(libc::EINVAL));
    }
    result
}
