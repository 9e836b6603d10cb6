//! System calls that wait: each for a while, or until somebody wakes it (`woken`).

#![allow(unsafe_code)]

mod woken;

use std::io;
use std::time::Duration;

use woken::{
    accept, aio, futex, message, on_a_pipe, recv, semaphore, signal, terminal, wait_for_child,
};

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
