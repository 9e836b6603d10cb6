//! The unsafe parts of the sweep: being the tracer of a dumper.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::ptr;

/// What a traced thread did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At the entry or exit of a system call.
    Syscall,
    /// It has become another program (PTRACE_EVENT_EXEC).
    Exec,
    /// A signal is on its way to it.
    Signal(i32),
    /// Any other stop: a new thread, a group-stop.
    Event,
    /// It is gone; the leader's status is the program's.
    Gone(i32),
}

/// Become the tracer of a process and of the threads it will have, and stop it.
pub fn seize(pid: i32) -> io::Result<()> {
    let options =
        libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEEXEC;
    request(libc::PTRACE_SEIZE, pid, options as usize)?;
    request(libc::PTRACE_INTERRUPT, pid, 0)
}

/// Let a stopped thread run to its next system call stop, with a signal or 0. One that was
/// killed meanwhile is no error.
pub fn resume(tid: i32, signal: i32) {
    let _ = request(libc::PTRACE_SYSCALL, tid, signal as usize);
}

/// Wait for the next report of a child or tracee of the calling thread; `None` when there are
/// none left.
pub fn wait() -> Option<(i32, Stop)> {
    let mut status = 0;
    // SAFETY: waitpid(2) writes one int to `status`.
    let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    if tid <= 0 {
        return None;
    }
    if !libc::WIFSTOPPED(status) {
        return Some((tid, Stop::Gone(status)));
    }
    let stop = match (libc::WSTOPSIG(status), status >> 16) {
        (_, libc::PTRACE_EVENT_EXEC) => Stop::Exec,
        (signal, 0) if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
        (signal, 0) => Stop::Signal(signal),
        _ => Stop::Event,
    };
    Some((tid, stop))
}

fn request(request: libc::c_uint, tid: i32, data: usize) -> io::Result<()> {
    let nothing = ptr::null_mut::<c_void>();
    // SAFETY: the callers' requests (SEIZE, INTERRUPT, SYSCALL) take numbers only.
    let result = unsafe { libc::ptrace(request, tid, nothing, data) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
