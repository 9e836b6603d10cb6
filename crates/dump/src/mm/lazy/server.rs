//! Who gives pages to `criu lazy-pages`, one client only.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use commensal_sys::pidfd::PidFd;
use commensal_sys::{PAGE_SIZE, RemoteRange};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout, set_tcp_nodelay};

use super::LazyPages;
use crate::mm::page_server::command::{self, Command};
use crate::mm::pagemap::flags;
use crate::options::PageServerAddress;
use crate::tree::namespaces::own_pid;
use crate::{Cancel, Error, Result};

/// How often somebody may give the dump up while we wait for the client.
const TURN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// How long the client may take for the rest of a command that it has begun, or to take what it has
/// asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that are read from a task and sent at once.
const CHUNK: u64 = 512 << 10;

/// Where the client comes from.
pub struct LazyServer(From);

enum From {
    Listener(TcpListener),
    /// A socket that is connected to it.
    Socket(OwnedFd),
}

impl LazyServer {
    /// Listens in our own network namespace.
    ///
    /// # Errors
    ///
    /// [`Error::LazyPages`] where that is not possible.
    pub fn listen(address: &PageServerAddress) -> Result<Self> {
        Ok(Self(match address {
            PageServerAddress::Tcp { host, port } => {
                From::Listener(TcpListener::bind((&**host, *port)).map_err(failed)?)
            }
            PageServerAddress::Socket(number) => {
                From::Socket(PidFd::open(own_pid())?.duplicate(*number)?)
            }
        }))
    }

    /// The port that it listens on.
    pub fn port(&self) -> Option<u16> {
        match &self.0 {
            From::Listener(listener) => listener.local_addr().ok().map(|address| address.port()),
            From::Socket(_) => None,
        }
    }

    /// Gives the client all `pages` that it asks for, until it says that it needs no more.
    ///
    /// # Errors
    ///
    /// [`Error::LazyPages`] where it goes away before that.
    pub fn serve(&self, pages: &LazyPages, cancel: &Cancel) -> Result<()> {
        let socket = match &self.0 {
            From::Socket(socket) => socket.try_clone().map_err(failed)?,
            From::Listener(listener) => {
                wait(listener, cancel)?;
                let (stream, _) = listener.accept().map_err(failed)?;
                set_tcp_nodelay(&stream, true).map_err(|errno| failed(errno.into()))?;
                stream.into()
            }
        };
        for which in [Timeout::Send, Timeout::Recv] {
            set_socket_timeout(&socket, which, Some(PATIENCE))
                .map_err(|errno| failed(errno.into()))?;
        }
        let mut client = Client {
            stream: socket.into(),
            pages,
            buf: Vec::new(),
        };
        loop {
            wait(&client.stream, cancel)?;
            if client.one()? {
                return Ok(());
            }
        }
    }
}

struct Client<'a> {
    stream: std::fs::File,
    pages: &'a LazyPages,
    buf: Vec<u8>,
}

impl Client<'_> {
    /// Does what the next command asks for; whether that was the last.
    fn one(&mut self) -> Result<bool> {
        let mut bytes = [0; command::LENGTH];
        self.stream.read_exact(&mut bytes).map_err(gone)?;
        let command = Command::from_bytes(&bytes);
        match command.verb {
            command::GET => self.give(command).map(|()| false),
            command::CLOSE | command::CLOSE_AND_END => {
                let status = 0i32.to_le_bytes();
                self.stream.write_all(&status).map_err(failed)?;
                Ok(true)
            }
            verb => Err(failed(io::Error::other(format!(
                "it asks for {verb:#x}, which is not known"
            )))),
        }
    }

    /// Sends as many of the pages as follow each other.
    fn give(&mut self, asked: Command) -> Result<()> {
        let Command {
            name,
            address,
            pages,
            ..
        } = asked;
        let Some(range) = self.pages.find(name, address, pages) else {
            let what = format!("it asks for {pages} pages at {address:#x} of task {name}");
            return Err(failed(io::Error::other(what + ", which are not kept")));
        };
        let head = Command {
            verb: command::ADD,
            flags: flags::PRESENT,
            pages: range.len() / PAGE_SIZE,
            ..asked
        };
        self.stream.write_all(&head.to_bytes()).map_err(failed)?;
        let all = range.as_u64();
        for start in all.clone().step_by(CHUNK as usize) {
            let piece = RemoteRange::new(start, all.end.min(start + CHUNK)).expect("in order");
            self.buf.resize(piece.len() as usize, 0);
            self.pages.read(name, piece, &mut self.buf)?;
            self.stream.write_all(&self.buf).map_err(failed)?;
        }
        Ok(())
    }
}

/// Waits until there is something to be received.
fn wait(socket: &impl AsFd, cancel: &Cancel) -> Result<()> {
    loop {
        cancel.check()?;
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&TURN)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(failed(errno.into())),
        }
    }
}

fn gone(source: io::Error) -> Error {
    failed(match source.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::other("it has gone before it said that it has all it needs")
        }
        _ => source,
    })
}

fn failed(source: io::Error) -> Error {
    Error::LazyPages { source }
}
