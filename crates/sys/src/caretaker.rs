//! A child process that puts things back if we die.
//!
//! Reading some sockets needs a state that is a property of the socket and
//! outlives us: repair mode, a moved peek offset. Before such a state is set,
//! its undoing is written to the caretaker's socket, together with a duplicate
//! of the descriptor. When we die, by whatever signal, the socket closes, and
//! the caretaker undoes what is still open and ends. Nothing needs to be
//! waited for: what is written to the socket is read before its end is seen.
//!
//! It lives in a session of its own with all signals blocked, so that a Ctrl-C
//! to our process group does not reach it. Only what kills the two together
//! (a SIGKILL to the whole cgroup) leaves the state behind.
//!
//! The targets that we trace must not run before it is done. It therefore
//! traces the thread that started it, which has to be the one that traces them,
//! and which cannot end before it lets it (`hold`). Where it may not, because
//! somebody else traces us, a target may run a little earlier: the kernel closes
//! a dying tracer's descriptors first and lets its tracees go right afterwards.
//! The caretaker has a real-time priority, where we may give it one, to be done
//! by then.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use linux_raw_sys::general::{
    __NR_clone, __NR_execve, __NR_exit_group, __NR_wait4, CLONE_UNTRACED,
};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg,
    send, sendmsg, socketpair,
};

use crate::sockopt::{self, SockOpt};
use crate::{Errno, Tid, raw};
use unmindful::Unmindful;

mod child;
mod hold;
mod unmindful;

/// How many undoings can be open at once.
pub const CAPACITY: usize = 1 << 16;

/// Wait for children that send no signal at their end (wait(2), `__WALL`).
const WALL: u64 = 0x4000_0000;

/// What the child says when it is ready to look after us.
const READY: u8 = 1;

/// What is written to the caretaker's socket.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct Record {
    verb: u32,
    slot: u32,
    level: u32,
    name: u32,
    value: i32,
}

/// The descriptor that comes with the record is to have this option.
const SET: u32 = 1;
/// The slot's undoing is no longer needed.
const FORGET: u32 = 2;
/// Nothing is to be undone: end.
const QUIT: u32 = 3;

/// The caretaker's handle. Dropping it undoes what is still open.
///
/// It belongs to the thread that traces the targets.
#[derive(Debug)]
pub struct Caretaker {
    socket: Option<OwnedFd>,
    pid: i32,
    free: BTreeSet<u32>,
    used: u32,
    /// Of the thread it belongs to, see [`Unmindful`].
    _signals: Unmindful,
}

/// An undoing that is still open.
#[derive(Debug)]
#[must_use = "an undoing that is not settled is done when the caretaker ends"]
pub struct Undoing(u32);

impl Caretaker {
    /// Starts the child. `last` is a shell command that it runs after it has
    /// undone the rest, for what no descriptor holds (firewall rules).
    ///
    /// # Errors
    ///
    /// The reason of socketpair(2) or clone(2).
    pub fn start(last: Option<&CString>) -> Result<Self, Errno> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let parent = Tid::new(rustix::thread::gettid().as_raw_nonzero().get());
        let prepared = child::Prepared::new(last, parent.expect("ids are positive"));
        // Whoever traces us is not to slow the child down.
        let flags = [u64::from(CLONE_UNTRACED), 0, 0, 0, 0, 0];
        let signals = Unmindful::new();
        // SAFETY: without CLONE_VM this is fork(2) with an exit signal of 0.
        // The child calls only `child::main`, which allocates nothing, takes
        // no lock that another thread may have held, and never returns.
        let pid = unsafe { raw::syscall(__NR_clone, flags) }?;
        if pid == 0 {
            child::main(theirs.as_fd(), prepared);
        }
        drop(theirs);
        let caretaker = Self {
            socket: Some(ours),
            pid: pid as i32,
            free: BTreeSet::new(),
            used: 0,
            _signals: signals,
        };
        caretaker.wait_until_ready()?;
        Ok(caretaker)
    }

    fn wait_until_ready(&self) -> Result<(), Errno> {
        let socket = self.socket.as_ref().ok_or(Errno::PIPE)?;
        let mut said = [0];
        loop {
            match recv(socket, &mut said, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                Ok((_, 1)) => return Ok(()),
                Ok(_) => return Err(Errno::PIPE),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Before an option of `fd` is changed: what it is to be set back to if we
    /// die. What was announced one after another is undone in that order.
    ///
    /// # Errors
    ///
    /// ENOSPC beyond [`CAPACITY`]; EPIPE where the child is gone.
    pub fn will_set(&mut self, fd: impl AsFd, opt: SockOpt, value: i32) -> Result<Undoing, Errno> {
        let slot = self.free.first().copied().unwrap_or(self.used);
        if slot as usize >= CAPACITY {
            return Err(Errno::NOSPC);
        }
        let record = Record {
            verb: SET,
            slot,
            level: opt.level,
            name: opt.name,
            value,
        };
        self.send(record, Some(fd.as_fd()))?;
        self.free.remove(&slot);
        self.used = self.used.max(slot + 1);
        Ok(Undoing(slot))
    }

    /// The option is back, or the socket is to stay as it is.
    ///
    /// # Errors
    ///
    /// EPIPE where the child is gone.
    pub fn settle(&mut self, undoing: Undoing) -> Result<(), Errno> {
        let record = Record {
            verb: FORGET,
            slot: undoing.0,
            level: 0,
            name: 0,
            value: 0,
        };
        self.send(record, None)?;
        self.free.insert(undoing.0);
        Ok(())
    }

    /// Ends the child without undoing anything.
    ///
    /// # Errors
    ///
    /// EPIPE where it is gone already.
    pub fn dismiss(self) -> Result<(), Errno> {
        let record = Record {
            verb: QUIT,
            slot: 0,
            level: 0,
            name: 0,
            value: 0,
        };
        self.send(record, None)
    }

    fn send(&self, record: Record, fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
        let socket = self.socket.as_ref().ok_or(Errno::PIPE)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = fd.map(|fd| [fd]);
        if let Some(fds) = &fds {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        let data = [IoSlice::new(zerocopy::IntoBytes::as_bytes(&record))];
        sendmsg(socket, &data, &mut control, SendFlags::NOSIGNAL).map(drop)
    }
}

impl Drop for Caretaker {
    /// Closes the socket, which ends the child, and reaps it.
    fn drop(&mut self) {
        drop(self.socket.take());
        // SAFETY: wait4(2) with null pointers writes nothing.
        let _ = unsafe { raw::syscall(__NR_wait4, [self.pid as u64, 0, WALL, 0, 0, 0]) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::net::{SO_PEEK_OFF, SOL_SOCKET};
    use std::os::unix::net::UnixDatagram;

    const PEEK_OFF: SockOpt = SockOpt::new(SOL_SOCKET, SO_PEEK_OFF);

    #[test]
    fn what_is_open_when_the_socket_closes_is_undone() {
        let (open, settled) = UnixDatagram::pair().unwrap();
        let mut caretaker = Caretaker::start(None).unwrap();
        let _undone = caretaker.will_set(&open, PEEK_OFF, -1).unwrap();
        let kept = caretaker.will_set(&settled, PEEK_OFF, -1).unwrap();
        sockopt::set(&open, PEEK_OFF, &5i32).unwrap();
        sockopt::set(&settled, PEEK_OFF, &5i32).unwrap();
        caretaker.settle(kept).unwrap();
        drop(caretaker);
        assert_eq!(sockopt::get::<i32>(&open, PEEK_OFF), Ok(-1));
        assert_eq!(sockopt::get::<i32>(&settled, PEEK_OFF), Ok(5));
    }

    #[test]
    fn a_dismissed_caretaker_undoes_nothing() {
        let (sock, _peer) = UnixDatagram::pair().unwrap();
        let mut caretaker = Caretaker::start(None).unwrap();
        let _open = caretaker.will_set(&sock, PEEK_OFF, -1).unwrap();
        sockopt::set(&sock, PEEK_OFF, &5i32).unwrap();
        caretaker.dismiss().unwrap();
        assert_eq!(sockopt::get::<i32>(&sock, PEEK_OFF), Ok(5));
    }

    #[test]
    fn the_last_command_runs_when_we_die_and_not_when_dismissed() {
        let dir = std::env::temp_dir().join(format!("caretaker-{}", std::process::id()));
        let path = dir.to_str().unwrap();
        let command = CString::new(format!("echo done > {path}")).unwrap();
        Caretaker::start(Some(&command)).unwrap().dismiss().unwrap();
        assert!(!dir.exists());
        drop(Caretaker::start(Some(&command)).unwrap());
        assert_eq!(std::fs::read_to_string(&dir).unwrap(), "done\n");
        std::fs::remove_file(&dir).unwrap();
    }
}
