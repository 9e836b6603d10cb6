//! A child process that puts things back if we die.
//!
//! Some of what is done to a target outlives us:
//!
//! - a state of a socket that has to be changed to be read: repair mode, a moved peek offset. Before it
//!   is set, its undoing is written to the caretaker's socket, together with a duplicate of the
//!   descriptor ([`Caretaker::will_set`]);
//! - what only a command puts back, the freezer of a control group ([`Caretaker::will_run`]);
//! - the stop of a thread whose registers have not been put right ([`Stops`]).
//!
//! When we die, by whatever signal, the socket closes, and the caretaker undoes what is still open
//! and ends. Nothing needs to be waited for: what is written to the socket is read before its end is
//! seen.
//!
//! It lives in a session of its own with all signals blocked, so that a Ctrl-C to our process group
//! does not reach it. Only what kills the two together (a SIGKILL to the whole cgroup) leaves all
//! that behind.
//!
//! The targets that we trace must not run before it is done. It therefore traces the thread that
//! started it, which has to be the one that traces them, and which cannot end before it lets it
//! (`hold`). Where it may not, because somebody else traces us, a target may run a little earlier:
//! the kernel closes a dying tracer's descriptors first and lets its tracees go right afterwards. The
//! caretaker has a real-time priority, where we may give it one, to be done by then.

use core::cell::{Cell, OnceCell, RefCell};
use core::ffi::CStr;
use std::collections::BTreeSet;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};

use linux_raw_sys::general::{__NR_clone, __NR_wait4, CLONE_UNTRACED};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recv, sendmsg, socketpair,
};

use crate::sockopt::{self, SockOpt};
use crate::{Errno, Error, Result, Tid, raw, sched};
use board::Board;
use telling::Telling;
use unmindful::Unmindful;

pub use stops::Stops;
pub use successor::PutRight;

mod board;
mod child;
mod hold;
mod stops;
mod successor;
mod telling;
mod unmindful;

/// How many undoings can be open at once.
pub const CAPACITY: usize = 1 << 16;

/// Wait for children that send no signal at their end (wait(2), `__WALL`).
const WALL: u64 = 0x4000_0000;

/// The caretaker's handle. Dropping it undoes what is still open.
///
/// It belongs to the thread that traces the targets.
#[derive(Debug)]
pub struct Caretaker {
    telling: Rc<Telling>,
    stops: Stops,
    pid: i32,
    ready: OnceCell<Result<(), Errno>>,
    /// Whether it was let go.
    ends: Cell<bool>,
    undoings: RefCell<Slots>,
    commands: RefCell<Slots>,
    /// Of the thread it belongs to, see [`Unmindful`].
    _signals: Unmindful,
}

/// An undoing that is still open.
#[derive(Debug)]
#[must_use = "an undoing that is not settled is done when the caretaker ends"]
pub struct Undoing(u32);

/// A command that is still to be run when we die.
#[derive(Debug)]
#[must_use = "a command that is not cancelled is run when the caretaker ends"]
pub struct LastCommand(u32);

/// Which of the places for something are taken.
#[derive(Debug, Default)]
struct Slots {
    free: BTreeSet<u32>,
    used: u32,
}

impl Slots {
    fn take(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        })
    }

    fn give_back(&mut self, slot: u32) {
        self.free.insert(slot);
    }
}

impl Caretaker {
    /// That of the calling thread: the one that it has, or a new one, which is not waited for.
    /// `put_right` is what that does for threads whose stop is under way when we die.
    ///
    /// # Errors
    ///
    /// The reason of mmap(2), socketpair(2) or clone(2).
    pub fn of_thread(put_right: PutRight) -> Result<Rc<Self>> {
        thread_local!(static OWN: RefCell<Weak<Caretaker>> = RefCell::default());
        OWN.with_borrow_mut(|own| match own.upgrade() {
            Some(caretaker) if !caretaker.ends.get() => Ok(caretaker),
            _ => {
                let started = Self::start(put_right).map(Rc::new).map_err(failed)?;
                *own = Rc::downgrade(&started);
                Ok(started)
            }
        })
    }

    fn start(put_right: PutRight) -> Result<Self, Errno> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let parent = Tid::new(rustix::thread::gettid().as_raw_nonzero().get());
        let telling = Rc::new(Telling::new(ours, Board::new()?));
        let prepared = child::Prepared::new(parent.expect("ids are positive"), put_right);
        // Whoever traces us is not to slow the child down.
        let flags = [u64::from(CLONE_UNTRACED), 0, 0, 0, 0, 0];
        let signals = Unmindful::new();
        // SAFETY: without CLONE_VM this is fork(2) with an exit signal of 0.
        // The child calls only `child::main`, which allocates nothing, takes
        // no lock that another thread may have held, and never returns.
        let pid = unsafe { raw::syscall(__NR_clone, flags) }?;
        if pid == 0 {
            child::main(theirs.as_fd(), &telling.board, prepared);
        }
        if let Some(tid) = Tid::new(pid as i32) {
            // So that its beginning and its end take none of our time.
            sched::bring_elsewhere(tid);
        }
        drop(theirs);
        Ok(Self {
            stops: Stops::new(telling.clone()),
            telling,
            pid: pid as i32,
            ready: OnceCell::new(),
            ends: Cell::new(false),
            undoings: RefCell::default(),
            commands: RefCell::default(),
            _signals: signals,
        })
    }

    /// Waits until the child looks after us; all that follows here does so by itself.
    ///
    /// # Errors
    ///
    /// EPIPE where it is gone.
    pub fn wait_until_ready(&self) -> Result<()> {
        let ready = *self.ready.get_or_init(|| self.telling.wait_until_ready());
        ready.map_err(failed)
    }

    /// The child undoes what is still open, and ends, which is waited for when this is dropped.
    pub fn let_go(&self) {
        if !self.ends.replace(true) {
            self.telling.close();
        }
    }

    /// Where the stops that are under way are to be written down.
    ///
    /// # Errors
    ///
    /// EPIPE where the child is gone.
    pub fn stops(&self) -> Result<&Stops> {
        self.wait_until_ready()?;
        Ok(&self.stops)
    }

    /// Before an option of `fd` is changed: what it is to be set back to if we
    /// die. What was announced one after another is undone in that order.
    ///
    /// # Errors
    ///
    /// ENOSPC beyond [`CAPACITY`]; EPIPE where the child is gone.
    pub fn will_set(&self, fd: impl AsFd, opt: SockOpt, value: i32) -> Result<Undoing> {
        self.wait_until_ready()?;
        let mut undoings = self.undoings.borrow_mut();
        let slot = undoings.take();
        if slot as usize >= CAPACITY {
            return Err(failed(Errno::NOSPC));
        }
        let told = self.telling.set(slot, fd.as_fd(), opt, value);
        told.map_err(failed)?;
        Ok(Undoing(slot))
    }

    /// The option is back, or the socket is to stay as it is.
    ///
    /// # Errors
    ///
    /// EPIPE where the child is gone.
    pub fn settle(&self, undoing: Undoing) -> Result<()> {
        self.telling.forget(undoing.0).map_err(failed)?;
        self.undoings.borrow_mut().give_back(undoing.0);
        Ok(())
    }

    /// All sockets are to stay as they are: no undoing is open any more.
    ///
    /// # Errors
    ///
    /// EPIPE where the child is gone.
    pub fn settle_all(&self) -> Result<()> {
        self.telling.forget_all().map_err(failed)?;
        *self.undoings.borrow_mut() = Slots::default();
        Ok(())
    }

    /// A shell command that the child runs if we die, for what no descriptor holds.
    ///
    /// # Errors
    ///
    /// E2BIG for one that is too long, or too many; EPIPE where the child is gone.
    pub fn will_run(&self, command: &CStr) -> Result<LastCommand> {
        self.wait_until_ready()?;
        let mut commands = self.commands.borrow_mut();
        let slot = commands.take();
        let set = self.telling.board.set_command(slot, command);
        set.map_err(failed)?;
        Ok(LastCommand(slot))
    }

    /// The command is not needed any more.
    pub fn cancel(&self, command: LastCommand) {
        self.telling.board.clear_command(command.0);
        self.commands.borrow_mut().give_back(command.0);
    }
}

fn failed(errno: Errno) -> Error {
    let pid = std::process::id() as i32;
    Error::new("starting or telling the caretaker process", pid, errno)
}

impl Drop for Caretaker {
    /// Lets the child go, and reaps it.
    fn drop(&mut self) {
        self.let_go();
        // SAFETY: wait4(2) with null pointers writes nothing.
        let _ = unsafe { raw::syscall(__NR_wait4, [self.pid as u64, 0, WALL, 0, 0, 0]) };
    }
}

#[cfg(test)]
mod tests;
