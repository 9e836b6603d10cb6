//! The caretaker's side: after the fork, so nothing here allocates, takes a
//! lock or returns.

use super::hold::{Due, Hold};
use super::*;

/// What the child needs and must not allocate itself.
pub(super) struct Prepared {
    /// One slot for each open undoing; pages are touched when used.
    slots: Vec<Option<Slot>>,
    /// `sh -c` and the command, as execve(2) takes them.
    argv: Option<[u64; 4]>,
    /// Keeps what `argv` points to alive.
    _command: Option<CString>,
    /// The thread that starts the child.
    parent: Tid,
}

struct Slot {
    fd: OwnedFd,
    opt: SockOpt,
    value: i32,
}

impl Prepared {
    pub(super) fn new(last: Option<&CString>, parent: Tid) -> Self {
        let command = last.cloned();
        let argv = command.as_ref().map(|command| {
            let shell = [c"sh".as_ptr() as u64, c"-c".as_ptr() as u64];
            [shell[0], shell[1], command.as_ptr() as u64, 0]
        });
        Self {
            slots: Vec::with_capacity(CAPACITY),
            argv,
            _command: command,
            parent,
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
            Some((record, _)) if record.verb == QUIT => exit(),
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

    /// Becomes the last command, if there is one.
    fn run_last(&self) {
        let Some(argv) = self.argv else { return };
        let shell = c"/bin/sh".as_ptr() as u64;
        let path = c"PATH=/usr/sbin:/usr/bin:/sbin:/bin".as_ptr() as u64;
        let environment = [path, 0];
        let (argv, environment) = (argv.as_ptr() as u64, environment.as_ptr() as u64);
        // SAFETY: path, arguments and environment are null-terminated and
        // live; on success nothing of this program is left.
        let _ = unsafe { raw::syscall(__NR_execve, [shell, argv, environment, 0, 0, 0]) };
    }
}

/// Serves the socket until it closes, or our parent dies.
pub(super) fn main(socket: BorrowedFd<'_>, mut prepared: Prepared) -> ! {
    settle_in(socket);
    let hold = Hold::take(prepared.parent);
    // Our parent waits for it.
    let _ = send(socket, &[READY], SendFlags::NOSIGNAL);
    while let Some(hold) = &hold
        && let Due::Message = hold.wait(socket)
    {
        if !prepared.serve(socket, RecvFlags::empty()) {
            break;
        }
    }
    // What it had written before it died; without a hold, until it does.
    let rest = match &hold {
        Some(_) => RecvFlags::DONTWAIT,
        None => RecvFlags::empty(),
    };
    while prepared.serve(socket, rest) {}
    prepared.undo();
    // Our end, or that of the last command, lets our parent end, too.
    prepared.run_last();
    exit()
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

/// Asks to run before everything else; without the right to it, goes on as is.
fn hurry() {
    use linux_raw_sys::general::{__NR_sched_setscheduler, SCHED_FIFO};
    let priority = 1i32;
    let args = [
        0,
        u64::from(SCHED_FIFO),
        &raw const priority as u64,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel reads one int, `struct sched_param`.
    let _ = unsafe { raw::syscall(__NR_sched_setscheduler, args) };
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
