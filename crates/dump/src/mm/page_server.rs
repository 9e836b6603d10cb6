//! Sending pages to a `criu page-server` instead of writing them here.
//!
//! The server writes pagemaps and pages into a directory of its own. Each [`Command`] names a
//! number of pages, an address and the pagemap it belongs to; pages follow those that announce some.

pub(super) mod command;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use commensal_images::Image;
use commensal_sys::pidfd::PidFd;
use commensal_sys::process_vm::Batch;
use commensal_sys::{PAGE_SIZE, RemoteRange};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use self::command::{ADD, CLOSE, CLOSE_AND_END, Command, OPEN};
use super::copy::PageSource;
use super::pagemap::{Run, flags};
use crate::options::PageServerAddress;
use crate::tree::namespaces::own_pid;
use crate::{Cancel, Error, Result};

/// The kind of a pagemap, in the low byte of its name.
const TASK: u64 = 1;
const SHARED_MEMORY: u64 = 2;

/// How long the server may let us wait for an answer, or for room for more: the tree stands
/// still meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that are read from a task and sent at once.
const CHUNK: usize = 512 << 10;

/// A connection to a page server. Several threads may use it, one pagemap after the other.
#[derive(Debug)]
pub struct PageServer {
    link: Mutex<Link>,
    close: u32,
}

#[derive(Debug)]
struct Link {
    to: BufWriter<File>,
    buf: Vec<u8>,
}

impl PageServer {
    /// Connects to it.
    ///
    /// # Errors
    ///
    /// [`Error::PageServer`] where it cannot be reached.
    pub fn connect(address: &PageServerAddress) -> Result<Self> {
        let (socket, close) = match address {
            PageServerAddress::Tcp { host, port } => (tcp(host, *port).map_err(failed)?, CLOSE),
            PageServerAddress::Socket(number) => {
                let socket = PidFd::open(own_pid())?.duplicate(*number)?;
                (socket, CLOSE_AND_END)
            }
        };
        for which in [Timeout::Send, Timeout::Recv] {
            set_socket_timeout(&socket, which, Some(PATIENCE))
                .map_err(|errno| failed(errno.into()))?;
        }
        Ok(Self {
            link: Mutex::new(Link {
                to: BufWriter::new(socket.into()),
                buf: Vec::new(),
            }),
            close,
        })
    }

    /// Begins the pagemap `image`.
    pub(super) fn pagemap<'a>(
        &'a self,
        image: Image,
        source: &'a dyn PageSource,
        cancel: &'a Cancel,
    ) -> Result<RemotePagemap<'a>> {
        let name = match image {
            Image::Pagemap(id) => id << 8 | TASK,
            Image::ShmemPagemap(id) => id << 8 | SHARED_MEMORY,
            _ => return Err(failed(io::Error::other(format!("{image} is no pagemap")))),
        };
        let mut link = self.link();
        let has_parent: [u8; 1] = link
            .command(Command {
                verb: OPEN,
                name,
                ..Command::default()
            })
            .and_then(|()| link.answer())
            .map_err(failed)?;
        Ok(RemotePagemap {
            link,
            source,
            cancel,
            name,
            has_parent: has_parent != [0],
            last: None,
            pages: 0,
        })
    }

    /// Waits until the server has everything.
    ///
    /// # Errors
    ///
    /// [`Error::PageServer`] where it has not.
    pub fn close(&self) -> Result<()> {
        let mut link = self.link();
        let status: [u8; 4] = link
            .command(Command {
                verb: self.close,
                ..Command::default()
            })
            .and_then(|()| link.answer())
            .map_err(failed)?;
        match i32::from_le_bytes(status) {
            0 => Ok(()),
            status => Err(failed(io::Error::other(format!("it says {status}")))),
        }
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A pagemap that the server is writing.
pub(super) struct RemotePagemap<'a> {
    link: MutexGuard<'a, Link>,
    source: &'a dyn PageSource,
    cancel: &'a Cancel,
    name: u64,
    /// Whether the server knows images that these build on.
    has_parent: bool,
    last: Option<Run>,
    pages: u64,
}

impl RemotePagemap<'_> {
    /// Adds pages; neighbouring runs become one command.
    pub fn add(&mut self, mut run: Run) -> Result<()> {
        if run.flags & flags::PARENT != 0 && !self.has_parent {
            run.flags = flags::PRESENT;
        }
        if self.last.as_mut().is_some_and(|last| last.joins(run)) {
            return Ok(());
        }
        let before = self.last.replace(run);
        before.map_or(Ok(()), |before| self.send(before))
    }

    /// Sends what is left; gives how many pages were sent.
    pub fn finish(mut self) -> Result<u64> {
        if let Some(last) = self.last.take() {
            self.send(last)?;
        }
        Ok(self.pages)
    }

    fn send(&mut self, run: Run) -> Result<()> {
        let sent = self.link.command(Command {
            verb: ADD,
            flags: run.flags,
            pages: run.range.len() / PAGE_SIZE,
            address: run.range.start().get(),
            name: self.name,
        });
        sent.map_err(failed)?;
        if !run.is_present() {
            return Ok(());
        }
        self.pages += run.range.len() / PAGE_SIZE;
        let all = run.range.as_u64();
        for start in all.clone().step_by(CHUNK) {
            self.cancel.check()?;
            let end = all.end.min(start + CHUNK as u64);
            let piece = RemoteRange::new(start, end).expect("in order");
            let mut batch = Batch::default();
            // An empty batch takes one range.
            let _ = batch.push(piece);
            let Link { to, buf } = &mut *self.link;
            buf.resize(piece.len() as usize, 0);
            self.source.read(&batch, buf)?;
            to.write_all(buf).map_err(failed)?;
        }
        Ok(())
    }
}

impl Link {
    fn command(&mut self, command: Command) -> io::Result<()> {
        self.to.write_all(&command.to_bytes())
    }

    fn answer<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.to.flush()?;
        let mut answer = [0; N];
        self.to.get_mut().read_exact(&mut answer)?;
        Ok(answer)
    }
}

fn tcp(host: &str, port: u16) -> io::Result<OwnedFd> {
    let stream = TcpStream::connect((host, port))?;
    stream.set_nodelay(true)?;
    Ok(stream.into())
}

fn failed(source: io::Error) -> Error {
    Error::PageServer { source }
}
