//! A signal state that is not the default, and looking at it from inside.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

/// The blocked and the pending signals of a thread, bit n for signal n + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    blocked: u64,
    pending: u64,
}

impl State {
    /// Of the calling thread, as the kernel has it.
    pub fn now() -> Self {
        Self {
            blocked: read(libc::SYS_rt_sigprocmask),
            pending: read(libc::SYS_rt_sigpending),
        }
    }
}

/// A handler for SIGUSR1, SIGUSR2 ignored, two real-time signals blocked and one of them
/// pending. What a dumper could bring about is blocked, too, so that it stays pending and shows.
pub fn stir() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler = nothing as extern "C" fn(libc::c_int);
    // SAFETY: the handler does nothing, so it may run at any time.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    // SAFETY: SIG_IGN is a disposition.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    let (first, second) = (libc::SIGRTMIN() + 3, libc::SIGRTMIN() + 4);
    let blocked = [first, second, libc::SIGCHLD, libc::SIGTRAP, libc::SIGCONT];
    mask(libc::SIG_BLOCK, &blocked);
    // SAFETY: a blocked signal to ourselves stays pending.
    unsafe { libc::raise(first) };
}

/// Takes SIGCONT, which does nothing: one that is stopped will get it.
pub fn take_continue() {
    mask(libc::SIG_UNBLOCK, &[libc::SIGCONT]);
}

fn mask(how: libc::c_int, signals: &[libc::c_int]) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) initialises the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set is initialised.
    let mut set = unsafe { set.assume_init() };
    for &signal in signals {
        // SAFETY: the set is initialised and the signal valid.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: the set is initialised; nothing is written back.
    unsafe { libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) };
}

/// A signal set that `call` writes: rt_sigprocmask(2) to its third, rt_sigpending(2) to its
/// first argument.
fn read(call: libc::c_long) -> u64 {
    let mut words = 0u64;
    let out = (&raw mut words).addr();
    let [a, b, c, d] = match call {
        libc::SYS_rt_sigpending => [out, 8, 0, 0],
        _ => [0, 0, out, 8],
    };
    // SAFETY: both calls write 8 bytes, the size they are told, to `words`, and read nothing.
    let result = unsafe { libc::syscall(call, a, b, c, d) };
    assert_eq!(result, 0, "the kernel tells the signals");
    words
}
