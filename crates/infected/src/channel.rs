//! Requests and replies over the socketpair.

use core::time::Duration;
use std::os::fd::OwnedFd;
use std::time::Instant;

use commensal_abi::{Command, Reply, Request};
use commensal_seized::Pid;
use commensal_sys::Errno;
use commensal_sys::wait::Backoff;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use zerocopy::IntoBytes;

use crate::{Error, reply};

/// How long a command may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the thread is looked after while a reply is awaited.
const ATTEND_INTERVAL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Our end of the parasite's socket. When it closes, the parasite leaves.
#[derive(Debug)]
pub(crate) struct Channel {
    pid: Pid,
    socket: OwnedFd,
    sequence: u32,
    /// Whether the parasite ever said something.
    answered: bool,
}

impl Channel {
    pub(crate) fn new(pid: Pid, socket: OwnedFd) -> Self {
        Self {
            pid,
            socket,
            sequence: 0,
            answered: false,
        }
    }

    /// Whether the parasite has said anything yet.
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    /// Whether `file` is our end: an inode belongs to one socket.
    pub(crate) fn is_end(&self, file: &OwnedFd) -> bool {
        let inode = |file: &OwnedFd| fstat(file).map(|stat| (stat.st_dev, stat.st_ino));
        inode(file).is_ok_and(|found| inode(&self.socket) == Ok(found))
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, command: Command) -> Result<(), Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = self.request(command);
        match send(&self.socket, request.as_bytes(), SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Err(Error::HungUp(self.pid)),
            Err(errno) => Err(commensal_sys::Error::new("send", self.pid.get(), errno).into()),
        }
    }

    /// Waits for the reply to the last request and checks it; `attend` looks
    /// after the thread meanwhile. Gives the command's value.
    pub(crate) fn receive(
        &mut self,
        command: Command,
        mut attend: impl FnMut() -> Result<(), Error>,
    ) -> Result<u32, Error> {
        let deadline = Instant::now() + REPLY_TIMEOUT;
        while !self.is_readable()? {
            attend()?;
            if Instant::now() >= deadline {
                let seconds = REPLY_TIMEOUT.as_secs();
                return Err(Error::Silent {
                    pid: self.pid,
                    seconds,
                });
            }
        }
        let request = self.request(command);
        // One byte more than a reply has, so that a longer one is noticed.
        let mut bytes = [0; size_of::<Reply>() + 1];
        let len = self.take(&mut bytes)?;
        self.answered |= len > 0;
        reply::check(self.pid, command, &request, &bytes[..len])
    }

    /// The request that was sent last.
    fn request(&self, command: Command) -> Request {
        Request {
            command: command as u32,
            sequence: self.sequence,
        }
    }

    /// Whether there is something to read, now or soon. An answer mostly comes in less time than
    /// it takes to sleep and to wake up.
    pub(crate) fn is_readable(&self) -> Result<bool, Error> {
        let backoff = Backoff::start();
        while backoff.is_fresh() {
            if self.poll(Timespec::default())? {
                return Ok(true);
            }
            backoff.pause();
        }
        self.poll(ATTEND_INTERVAL)
    }

    fn poll(&self, timeout: Timespec) -> Result<bool, Error> {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(commensal_sys::Error::new("poll", self.pid.get(), errno).into()),
        }
    }

    /// The length of the next message, or of as much of it as there is room
    /// for; 0 at the end.
    fn take(&self, bytes: &mut [u8]) -> Result<usize, Error> {
        match recv(&self.socket, bytes, RecvFlags::DONTWAIT) {
            Ok((_, len)) => Ok(len),
            Err(Errno::CONNRESET) => Ok(0),
            Err(errno) => Err(commensal_sys::Error::new("recv", self.pid.get(), errno).into()),
        }
    }
}
