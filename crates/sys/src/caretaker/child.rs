//! The caretaker's side: after the fork, so nothing here allocates, takes a
//! lock or returns.

use linux_raw_sys::general::{__NR_execve, __NR_exit_group, SCHED_NORMAL};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, ReturnFlags, recvmsg, send};

use super::hold::{Due, Hold};
use super::successor::{self, Heir};
use super::telling::{FORGET, FORGET_ALL, READY, Record, SET};
use super::*;
use crate::sched;

/// What the child needs and must not allocate itself.
pub(super) struct Prepared {
    /// One slot for each open undoing; pages are touched when used.
    slots: Vec<Option<Slot>>,
    /// Room for the threads that become ours.
    heirs: Vec<Heir>,
    /// The thread that starts the child.
    parent: Tid,
    put_right: PutRight,
}

struct Slot {
    fd: OwnedFd,
    opt: SockOpt,
    value: i32,
}

impl Prepared {
    pub(super) fn new(parent: Tid, put_right: PutRight) -> Self {
        Self {
            slots: Vec::with_capacity(CAPACITY),
            heirs: Vec::with_capacity(board::STOPS as usize),
            parent,
            put_right,
        }
    }

    /// Stores an undoing; the vector never grows beyond what was reserved.
    fn store(&mut self, record: Record, fd: OwnedFd) {
        let index = record.slot as usize;
        if index >= CAPACITY {
            return;
        }
        while self.slots.len() <= index {
            self.slots.push(None);
        }
        self.slots[index] = Some(Slot {
            fd,
            opt: SockOpt::new(record.level, record.name),
            value: record.value,
        });
    }

    /// Takes the next record in; `false` when there is none any more.
    fn serve(&mut self, socket: BorrowedFd<'_>, flags: RecvFlags) -> bool {
        match receive(socket, flags) {
            Some((record, Some(fd))) if record.verb == SET => self.store(record, fd),
            Some((record, _)) if record.verb == FORGET => {
                if let Some(slot) = self.slots.get_mut(record.slot as usize) {
                    *slot = None;
                }
            }
            Some((record, _)) if record.verb == FORGET_ALL => self.slots.clear(),
            Some(_) => {}
            None => return false,
        }
        true
    }

    /// Sets everything back that is still open.
    fn undo(&self) {
        for slot in self.slots.iter().flatten() {
            // There is nobody left to tell of a failure.
            let _ = sockopt::set(&slot.fd, slot.opt, &slot.value);
        }
    }

    /// Takes over what our parent was stopping, and lets it end.
    fn take_over(&mut self, board: &Board, hold: Option<&Hold>) {
        let parent = (self.parent, hold);
        successor::take_over(board.stops(), &mut self.heirs, parent, self.put_right);
    }
}

/// Serves the socket until it closes, or our parent dies.
pub(super) fn main(socket: BorrowedFd<'_>, board: &Board, mut prepared: Prepared) -> ! {
    settle_in(socket);
    let hold = Hold::take(prepared.parent);
    // Our parent waits for it.
    let _ = send(socket, &[READY], SendFlags::NOSIGNAL);
    let mut is_let_go = false;
    while let Some(hold) = &hold
        && !is_let_go
        && let Due::Message = hold.wait(socket)
    {
        is_let_go = !prepared.serve(socket, RecvFlags::empty());
    }
    // What it had written before it died; without a hold, until it does.
    let rest = match &hold {
        Some(_) => RecvFlags::DONTWAIT,
        None => RecvFlags::empty(),
    };
    while prepared.serve(socket, rest) {}
    if hold.is_none() {
        // Its tracees may go any moment.
        prepared.take_over(board, None);
    }
    prepared.undo();
    (0..board::COMMANDS).for_each(|slot| run(board, slot));
    if hold.is_some() {
        prepared.take_over(board, hold.as_ref());
    }
    if is_let_go {
        // Nothing depends on our end any more, and others have work to do.
        let _ = sched::set_policy(None, SCHED_NORMAL, 0);
    }
    // Our end lets our parent end, too, where it has not yet.
    exit()
}

/// Runs a last command, if there is one, and waits for its end.
fn run(board: &Board, slot: u32) {
    let mut text = [0; board::COMMAND_LEN];
    let Some(command) = board.command(slot, &mut text) else {
        return;
    };
    let shell = c"/bin/sh".as_ptr() as u64;
    let argv = [c"sh".as_ptr(), c"-c".as_ptr(), command.as_ptr()].map(|word| word as u64);
    let argv = [argv[0], argv[1], argv[2], 0];
    let environment = [c"PATH=/usr/sbin:/usr/bin:/sbin:/bin".as_ptr() as u64, 0];
    let flags = [u64::from(CLONE_UNTRACED), 0, 0, 0, 0, 0];
    // SAFETY: without CLONE_VM this is fork(2) with an exit signal of 0; the child makes two calls.
    let Ok(pid) = (unsafe { raw::syscall(__NR_clone, flags) }) else {
        return;
    };
    if pid == 0 {
        let (argv, environment) = (argv.as_ptr() as u64, environment.as_ptr() as u64);
        // SAFETY: path, arguments and environment are null-terminated and
        // live; on success nothing of this program is left.
        let _ = unsafe { raw::syscall(__NR_execve, [shell, argv, environment, 0, 0, 0]) };
        exit()
    }
    // SAFETY: wait4(2) with null pointers writes nothing.
    let _ = unsafe { raw::syscall(__NR_wait4, [pid, 0, WALL, 0, 0, 0]) };
}

/// Leaves our session, signals and descriptors behind.
fn settle_in(socket: BorrowedFd<'_>) {
    let _ = rustix::process::setsid();
    block_signals();
    close_all_but(socket);
    hurry();
    let _ = rustix::thread::set_name(c"commensal-undo");
    // As many descriptors as the hard limit allows.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

/// Asks to run before everything else, if we do not already, as our parent; without the right to it, goes
/// on as is.
fn hurry() {
    if sched::priority(None) == Ok(0) {
        let _ = sched::set_fifo(None, 1);
    }
}

fn block_signals() {
    use linux_raw_sys::general::{__NR_rt_sigprocmask, SIG_SETMASK};
    let all = u64::MAX;
    let args = [u64::from(SIG_SETMASK), &raw const all as u64, 0, 8, 0, 0];
    // SAFETY: the kernel reads the 8 bytes of `all` and writes nothing.
    let _ = unsafe { raw::syscall(__NR_rt_sigprocmask, args) };
}

/// Closes every inherited descriptor: the child must not keep our sockets and
/// pipes open when we are gone.
fn close_all_but(socket: BorrowedFd<'_>) {
    use linux_raw_sys::general::__NR_close_range;
    use std::os::fd::AsRawFd;
    let keep = socket.as_raw_fd() as u64;
    if keep > 0 {
        // SAFETY: this process uses none of these descriptors.
        let _ = unsafe { raw::syscall(__NR_close_range, [0, keep - 1, 0, 0, 0, 0]) };
    }
    let end = u64::from(u32::MAX);
    // SAFETY: as above.
    let _ = unsafe { raw::syscall(__NR_close_range, [keep + 1, end, 0, 0, 0, 0]) };
}

/// The next record and its descriptor; `None` at the end, or where there is
/// none and we do not wait.
fn receive(socket: BorrowedFd<'_>, flags: RecvFlags) -> Option<(Record, Option<OwnedFd>)> {
    let mut record = [0u8; size_of::<Record>()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut data = [IoSliceMut::new(&mut record)];
        match recvmsg(
            socket,
            &mut data,
            &mut control,
            flags | RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(Errno::INTR) => {}
            other => break other.ok()?,
        }
    };
    if received.bytes != size_of::<Record>() || received.flags.contains(ReturnFlags::TRUNC) {
        return None;
    }
    let mut fd = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            for right in rights {
                fd = Some(right);
            }
        }
    }
    Some((zerocopy::transmute!(record), fd))
}

fn exit() -> ! {
    loop {
        // SAFETY: exit_group(2) touches no memory and does not return.
        let _ = unsafe { raw::syscall(__NR_exit_group, [0; 6]) };
    }
}
