//! pipe(7): both ends, and what is between them.

use std::collections::{HashMap, HashSet};

use commensal_images::messages::{FdTypes, PipeDataEntry, PipeEntry};
use commensal_images::{EntryWriter, Image};
use commensal_seized::later;
use commensal_sys::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, tee,
};

use super::kind::Kind;
use super::{FilesDump, Images, OpenFile};
use crate::mnt::autofs;
use crate::{Place, Result};

/// Pipe ends.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Pipe,
    dump,
};

/// The pipes and FIFOs of a tree.
pub struct Pipes<'s> {
    /// What is in the pipes.
    data: Data<'s>,
    /// What is in the FIFOs.
    pub fifo_data: Data<'s>,
    ends: HashMap<u64, Ends>,
}

/// Which ends of a pipe there are.
#[derive(Debug)]
struct Ends {
    /// An end of it in the tree.
    place: Place,
    readers_in_tree: bool,
    writers_in_tree: bool,
    other_end_open: bool,
}

impl<'s> Pipes<'s> {
    /// None yet.
    pub fn new(images: &Images<'s>) -> Result<Self> {
        Ok(Self {
            data: Data::new(images.entries(Image::PipesData)?),
            fifo_data: Data::new(images.entries(Image::FifoData)?),
            ends: HashMap::new(),
        })
    }

    /// Completes the images.
    pub fn finish(self) -> Result<()> {
        self.data.image.finish()?;
        Ok(self.fifo_data.image.finish()?)
    }
}

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    // Of a tree that runs this says nothing: packets come and go.
    let packets = dump.writes() && file.flags & OFlags::DIRECT.bits() != 0;
    if packets && waiting(file)? > 0 {
        return Err(file.refuse(
            "a pipe in packet mode (O_DIRECT) with packets unread",
            "the image format has no place for the bounds of the packets",
            "let the program read them first, or use a seqpacket socket",
        ));
    }
    let entry = PipeEntry {
        id,
        pipe_id: pipe_id(file),
        flags: file.flags,
        fown: file.owner.clone(),
    };
    dump.write(FdTypes::Pipe, id, |to| to.pipe = Some(entry))?;
    note_ends(file, dump)?;
    let write = dump.writes();
    dump.pipes.data.dump(file, write)
}

/// The number by which the images know a pipe or a FIFO.
pub fn pipe_id(file: &OpenFile) -> u32 {
    file.stat.ino as u32
}

/// What is in pipes, or in FIFOs: one entry for each.
pub struct Data<'s> {
    image: EntryWriter<'s>,
    done: HashSet<u32>,
}

impl<'s> Data<'s> {
    fn new(image: EntryWriter<'s>) -> Self {
        Self {
            image,
            done: HashSet::new(),
        }
    }

    /// Writes what waits in the pipe of this end, once and only through an end that reads.
    ///
    /// # Errors
    ///
    /// When the kernel does not let us copy it.
    pub fn dump(&mut self, file: &OpenFile, write: bool) -> Result<()> {
        if !file.is_readable() || !write || !self.done.insert(pipe_id(file)) {
            return Ok(());
        }
        let capacity = file.ask("F_GETPIPE_SZ", |fd| fcntl_getpipe_size(fd))?;
        let contents = peek(file, capacity)?;
        let entry = PipeDataEntry {
            pipe_id: pipe_id(file),
            bytes: contents.len() as u32,
            size: Some(capacity as u32),
        };
        Ok(self.image.entry_with_payload(&entry, &contents)?)
    }
}

/// How many bytes are in the pipe.
fn waiting(file: &OpenFile) -> Result<u64> {
    file.ask("FIONREAD", |fd| rustix::io::ioctl_fionread(fd))
}

/// A copy of what is in the pipe; nothing of it is consumed. An end outside of
/// the tree may read and write meanwhile: what counts is the instant of tee(2).
fn peek(file: &OpenFile, capacity: usize) -> Result<Vec<u8>> {
    if waiting(file)? == 0 {
        return Ok(Vec::new());
    }
    let (read_end, write_end) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|errno| file.error("pipe2", errno))?;
    fcntl_setpipe_size(&write_end, capacity).map_err(|errno| file.error("F_SETPIPE_SZ", errno))?;
    let copied = file.ask("tee", |fd| {
        match tee(fd, &write_end, capacity, SpliceFlags::NONBLOCK) {
            Err(Errno::AGAIN) => Ok(0),
            copied => copied,
        }
    })?;
    let mut contents = vec![0; copied];
    let mut at = 0;
    while at < copied {
        match rustix::io::read(&read_end, &mut contents[at..]) {
            Ok(0) => return Err(file.error("read", Errno::PIPE)),
            Ok(n) => at += n,
            Err(errno) => return Err(file.error("read", errno)),
        }
    }
    Ok(contents)
}

/// Remembers the ends of a pipe that the tree has, and whether there are others.
fn note_ends(file: &OpenFile, dump: &mut FilesDump<'_>) -> Result<()> {
    let fd = file.fd();
    let mut fds = [PollFd::new(&fd, PollFlags::IN | PollFlags::OUT)];
    poll(&mut fds, Some(&Timespec::default())).map_err(|errno| file.error("poll", errno))?;
    let gone = fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR);
    let ends = dump
        .pipes
        .ends
        .entry(file.stat.ino)
        .or_insert_with(|| Ends {
            place: file.place.clone(),
            readers_in_tree: false,
            writers_in_tree: false,
            other_end_open: false,
        });
    ends.readers_in_tree |= file.is_readable();
    ends.writers_in_tree |= file.access_mode() != OFlags::RDONLY.bits();
    ends.other_end_open |= !gone;
    Ok(())
}

/// Tells which pipes lead out of the tree. They are dumped as CRIU does: the restore makes a pipe
/// with the ends of the tree alone, unless it is given the other one (`--inherit-fd`).
pub fn tell_outside_ends(dump: &FilesDump<'_>) {
    if !dump.writes() {
        return;
    }
    let of_autofs = autofs::pipes(dump.namespaces());
    let leads_out =
        |ends: &Ends| ends.other_end_open && !(ends.readers_in_tree && ends.writers_in_tree);
    let ends = dump.pipes.ends.iter();
    let outside = ends.filter(|(ino, ends)| leads_out(ends) && !of_autofs.contains(ino));
    for (&ino, ends) in outside {
        let place = ends.place.clone();
        later(move || {
            tracing::warn!(
                "{place} is a pipe whose other end is outside of the tree: give the restore \
                 --inherit-fd fd[N]:pipe:[{ino}] to connect it"
            )
        });
    }
}
