//! Keeping the dying parent where it is until everything is undone.
//!
//! A tracer that is killed lets its tracees go in the middle of its exit
//! (`exit_notify`, kernel/exit.c). Before that it stops for a tracer of its
//! own that asked for `PTRACE_EVENT_EXIT`, also when it was killed by SIGKILL.
//! So the child traces the thread that traces the targets: as long as that one
//! is in this stop, no target runs.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use linux_raw_sys::general::{__NR_rt_sigaction, __NR_signalfd4, O_CLOEXEC};
use linux_raw_sys::ptrace::{PTRACE_EVENT_EXIT, PTRACE_EVENT_STOP};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{WaitOptions, waitpid};

use crate::ptrace::{self, Options};
use crate::{Errno, Tid, raw};

const SIGTRAP: i32 = 5;
const SIGCHLD: u32 = 17;

/// A parent's thread that cannot end before we do, also as another program.
pub(super) struct Hold {
    tid: Tid,
    /// Readable when the thread has stopped: SIGCHLD, which is blocked.
    stops: OwnedFd,
}

/// What there is to be seen to.
pub(super) enum Due {
    /// Something came through the socket, or its end.
    Message,
    /// The parent is ending, and waits for us.
    Death,
}

impl Hold {
    /// Becomes the tracer of `tid`, if nobody else is and we may. SIGCHLD must
    /// be blocked.
    pub(super) fn take(tid: Tid) -> Option<Self> {
        hear_of_stops();
        let stops = signal_fd().ok()?;
        let options = Options {
            trace_exit: true,
            ..Options::default()
        };
        ptrace::seize(tid, options).ok()?;
        Some(Self { tid, stops })
    }

    /// Waits until there is something to be done; lets the thread go on after
    /// all other stops, as if it was not traced.
    pub(super) fn wait(&self, socket: impl AsFd) -> Due {
        loop {
            let mut fds = [
                PollFd::new(&socket, PollFlags::IN),
                PollFd::new(&self.stops, PollFlags::IN),
            ];
            if poll(&mut fds, None).is_err() {
                continue;
            }
            if !fds[1].revents().is_empty() {
                // One signal stands for all that came since it was read.
                let mut siginfo = [0u8; 128];
                let _ = rustix::io::read(&self.stops, &mut siginfo);
                while let Some(status) = self.next_stop() {
                    if self.attend(status) {
                        return Due::Death;
                    }
                }
            }
            if !fds[0].revents().is_empty() {
                return Due::Message;
            }
        }
    }

    /// Lets the thread end, which has stopped for that.
    pub(super) fn let_go(&self) {
        let _ = ptrace::detach(self.tid, 0);
    }

    fn next_stop(&self) -> Option<i32> {
        let options = WaitOptions::from_bits_retain(super::WALL as u32) | WaitOptions::NOHANG;
        let pid = rustix::process::Pid::from_raw(self.tid.get());
        let (_, status) = waitpid(pid, options).ok()??;
        Some(status.as_raw())
    }

    /// Whether the thread is at its end; otherwise it goes on.
    fn attend(&self, status: i32) -> bool {
        if status & 0xff != 0x7f {
            return true;
        }
        let (signal, event) = (status >> 8 & 0xff, (status >> 16) as u32);
        let _ = match (signal, event) {
            (_, PTRACE_EVENT_EXIT) => return true,
            (SIGTRAP, PTRACE_EVENT_STOP) => ptrace::cont(self.tid, 0),
            // Stopped by Ctrl-Z: it stays so.
            (_, PTRACE_EVENT_STOP) => ptrace::listen(self.tid),
            (signal, _) => ptrace::cont(self.tid, signal),
        };
        false
    }
}

/// A parent that ignores SIGCHLD, or asked for none of stops, has left us that.
fn hear_of_stops() {
    // struct kernel_sigaction: SIG_DFL, no flags, no restorer, no mask.
    let default = [0u64; 4];
    let args = [
        u64::from(SIGCHLD),
        default.as_ptr() as u64,
        0,
        size_of::<u64>() as u64,
        0,
        0,
    ];
    // SAFETY: the kernel reads one struct sigaction, which has four words.
    let _ = unsafe { raw::syscall(__NR_rt_sigaction, args) };
}

/// A descriptor for SIGCHLD (signalfd(2)).
fn signal_fd() -> Result<OwnedFd, Errno> {
    let set = 1u64 << (SIGCHLD - 1);
    let new = u64::MAX;
    let args = [new, &raw const set as u64, 8, u64::from(O_CLOEXEC), 0, 0];
    // SAFETY: the kernel reads the 8 bytes of `set`.
    let fd = unsafe { raw::syscall(__NR_signalfd4, args) }?;
    // SAFETY: the call made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
