//! What is written to a pty and not read yet.
//!
//! The kernel has no way to look at it without taking it. So it is only taken where the tree is
//! killed after the dump, as the last step before that; a tree that lives on keeps it, the images
//! then lack it, and that is told (`unread`).

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use commensal_images::EntryWriter;
use commensal_images::messages::TtyDataEntry;
use commensal_seized::later;
use rustix::io::{Errno, read, write};

use super::driver::Driver;
use super::{Terminal, unread};
use crate::{Error, Result};

/// The most that is read from one side, in bytes; the kernel's buffer for a pty is smaller.
const LIMIT: usize = 64 << 10;

/// What waits in the terminals of a tree.
pub struct UnreadData<'s> {
    terminals: BTreeMap<u32, Terminal>,
    image: EntryWriter<'s>,
}

impl<'s> UnreadData<'s> {
    pub(super) fn of(terminals: BTreeMap<u32, Terminal>, image: EntryWriter<'s>) -> Self {
        Self { terminals, image }
    }

    /// Leaves what waits where it is, and warns of each terminal whose data the images lack so.
    /// Tells how many these are.
    #[must_use]
    pub fn leave(self) -> u64 {
        unread::warn(
            &self.terminals,
            "reading takes it from the tree, which lives on; to save it, let the dump kill the \
             tree (--then kill; criu dump without -R and -s)",
        )
    }

    /// Takes what waits and writes it: to be called only for a tree that will be killed, when
    /// everything else is written. Until the tree is, what was taken can still be put back.
    ///
    /// # Errors
    ///
    /// When a terminal cannot be read or the image not written; then it is put back.
    pub fn drain(self) -> Result<Drained> {
        let Self {
            terminals,
            mut image,
        } = self;
        let sides: Vec<(u32, u32)> = terminals
            .iter()
            .filter(|(_, slave)| slave.driver == Driver::Slave)
            .map(|(id, slave)| (Driver::Master.id(slave.index), *id))
            .filter(|(master, _)| terminals.contains_key(master))
            .collect();
        let mut drained = Drained {
            terminals,
            data: Vec::new(),
            lost: 0,
        };
        for (master, slave) in sides {
            drained.take(master, slave, &mut image)?;
            drained.take(slave, master, &mut image)?;
        }
        image.finish()?;
        drained.lost = unread::warn(
            &drained.terminals,
            "the restore has no place for it: the other side is closed, or a read would wait for \
             more (VMIN); let the program read it before the dump",
        );
        Ok(drained)
    }
}

/// What was taken out of terminals: dropping it puts it back.
#[must_use = "what was taken is put back"]
pub struct Drained {
    terminals: BTreeMap<u32, Terminal>,
    /// What was taken, by the side to write it to, to be read again.
    data: Vec<(u32, Vec<u8>)>,
    lost: u64,
}

impl Drained {
    /// How many terminals have unread data that could not be taken.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The tree is gone: nobody will read it again.
    pub fn forget(mut self) {
        self.data.clear();
    }

    /// Moves what can be read on the side `id` into the image.
    fn take(&mut self, id: u32, other: u32, image: &mut EntryWriter<'_>) -> Result<()> {
        let from = &self.terminals[&id];
        let Some(fd) = from.fd.as_ref() else {
            return Ok(());
        };
        let failed = |errno| Error::Call {
            call: "read",
            place: from.place.clone(),
            errno,
        };
        let data = take(fd.as_fd(), from.packet_mode).map_err(failed)?;
        if data.is_empty() {
            return Ok(());
        }
        self.data.push((other, data.clone()));
        let data = match from.driver {
            Driver::Master => before_output(&data),
            _ => data,
        };
        Ok(image.entry(&TtyDataEntry { tty_id: id, data })?)
    }
}

/// What a program has to write to a terminal as it is when it is opened (`OPOST | ONLCR`, so that
/// a newline becomes two characters) for `data` to be read on the other side: the restore writes
/// before it sets the modes.
fn before_output(data: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(data.len());
    for byte in data {
        if *byte == b'\n' && written.last() == Some(&b'\r') {
            written.pop();
        }
        written.push(*byte);
    }
    written
}

impl Drop for Drained {
    fn drop(&mut self) {
        for (other, data) in &self.data {
            let other = &self.terminals[other];
            let back = match other.turns_newlines {
                true => &before_output(data),
                false => data,
            };
            let put = other.fd.as_ref().map(|fd| write(fd, back));
            if put != Some(Ok(back.len())) {
                let place = other.place.clone();
                later(move || tracing::warn!("{place}: unread data could not be put back"));
            }
        }
    }
}

/// Reads what can be read without waiting; in packet mode, without the control bytes.
fn take(fd: BorrowedFd<'_>, packet_mode: bool) -> Result<Vec<u8>, Errno> {
    let mut data = Vec::new();
    while data.len() < LIMIT && unread::is_readable(fd)? {
        let mut buffer = [0; 4096];
        match read(fd, &mut buffer) {
            Ok(0) | Err(Errno::IO | Errno::AGAIN) => break,
            Ok(n) => data.extend_from_slice(&buffer[usize::from(packet_mode)..n]),
            Err(errno) => return Err(errno),
        }
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newlines_are_written_as_they_were_before_output() {
        assert_eq!(before_output(b"one\r\ntwo\r\r\n"), b"one\ntwo\r\n");
        assert_eq!(before_output(b"\rraw\n"), b"\rraw\n");
    }
}
