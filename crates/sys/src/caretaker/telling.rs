//! How we tell the caretaker: a socket, whose end says that we died, and the board.

use rustix::net::Shutdown;

use super::*;

/// What is written to the caretaker's socket.
#[derive(Clone, Copy, Default, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
pub(super) struct Record {
    pub(super) verb: u32,
    pub(super) slot: u32,
    pub(super) level: u32,
    pub(super) name: u32,
    pub(super) value: i32,
}

impl Record {
    fn of(verb: u32, slot: u32) -> Self {
        Self {
            verb,
            slot,
            ..Self::default()
        }
    }
}

/// The descriptor that comes with the record is to have this option.
pub(super) const SET: u32 = 1;
/// The slot's undoing is no longer needed.
pub(super) const FORGET: u32 = 2;
/// No undoing is.
pub(super) const FORGET_ALL: u32 = 3;
/// What the child says when it is ready to look after us.
pub(super) const READY: u8 = 1;

#[derive(Debug)]
pub(super) struct Telling {
    socket: OwnedFd,
    pub(super) board: Board,
}

impl Telling {
    pub(super) fn new(socket: OwnedFd, board: Board) -> Self {
        Self { socket, board }
    }

    pub(super) fn wait_until_ready(&self) -> Result<(), Errno> {
        let mut said = [0];
        loop {
            match recv(&self.socket, &mut said, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                Ok((_, 1)) => return Ok(()),
                Ok(_) => return Err(Errno::PIPE),
                Err(errno) => return Err(errno),
            }
        }
    }

    pub(super) fn set(
        &self,
        slot: u32,
        fd: BorrowedFd<'_>,
        opt: SockOpt,
        value: i32,
    ) -> Result<(), Errno> {
        let record = Record {
            verb: SET,
            slot,
            level: opt.level,
            name: opt.name,
            value,
        };
        self.send(record, Some(fd))
    }

    pub(super) fn forget(&self, slot: u32) -> Result<(), Errno> {
        self.send(Record::of(FORGET, slot), None)
    }

    pub(super) fn forget_all(&self) -> Result<(), Errno> {
        self.send(Record::of(FORGET_ALL, 0), None)
    }

    /// Says that there is nothing more to come, and that we live: what we still trace is ours.
    pub(super) fn close(&self) {
        self.board.clear_all();
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
    }

    fn send(&self, record: Record, fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = fd.map(|fd| [fd]);
        if let Some(fds) = &fds {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        let data = [IoSlice::new(zerocopy::IntoBytes::as_bytes(&record))];
        sendmsg(&self.socket, &data, &mut control, SendFlags::NOSIGNAL).map(drop)
    }
}
