//! Terminals: pty pairs, the terminal a session controls, consoles.
//!
//! An open terminal is three things in the images: the open file, an entry for its path, and one
//! `tty-info` entry for each terminal, whichever of its files was seen first.

mod drain;
mod driver;
mod info;
mod unread;
mod verify;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use commensal_images::messages::{FdTypes, TtyFileEntry};
use commensal_images::{EntryWriter, Image};
use commensal_sys::Pid;

use super::kind::Kind;
use super::{FilesDump, Images, OpenFile, Stat, regular};
use crate::{Options, Place, Result};
pub use drain::{Drained, UnreadData};
use driver::Driver;
pub use verify::verify;

/// Terminals.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Tty,
    dump,
};

/// The terminals of a tree, by their number in the images.
pub struct Terminals<'s> {
    image: EntryWriter<'s>,
    data: EntryWriter<'s>,
    seen: BTreeMap<u32, Terminal>,
    external: u32,
}

/// A terminal that was seen.
#[derive(Debug)]
struct Terminal {
    driver: Driver,
    /// The number of a pty.
    index: u32,
    /// Its session and foreground group, 0 where there is none.
    sid: i32,
    pgrp: i32,
    hung_up: bool,
    /// Whether a newline written to it becomes two characters (`OPOST | ONLCR`).
    turns_newlines: bool,
    /// Whether each read of it begins with a control byte (`TIOCPKT`, ioctl_tty(2)).
    packet_mode: bool,
    /// Where it was seen first.
    place: Place,
    /// The mount that it was opened on there.
    mount: u64,
    pid: Pid,
    /// Of a pty that is written, to look for what is unread in it.
    fd: Option<OwnedFd>,
}

impl<'s> Terminals<'s> {
    /// None yet.
    pub fn new(images: &Images<'s>) -> Result<Self> {
        Ok(Self {
            image: images.entries(Image::TtyInfo)?,
            data: images.entries(Image::TtyData)?,
            seen: BTreeMap::new(),
            external: 0,
        })
    }

    /// The mount that the master of a pty was opened on, if that was written.
    pub fn mount_of_master(&self, index: u32) -> Option<u64> {
        let master = self.seen.get(&Driver::Master.id(index));
        master.map(|master| master.mount)
    }

    /// Completes the image; what is unread stays to be read.
    pub fn finish(self) -> Result<UnreadData<'s>> {
        self.image.finish()?;
        Ok(UnreadData::of(self.seen, self.data))
    }
}

/// Whether a character device is a terminal that can be dumped.
pub fn is_terminal(stat: &Stat, options: &Options) -> bool {
    Driver::of(stat, options).is_some()
}

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let Some(driver) = Driver::of(&file.stat, dump.options) else {
        return Err(super::unsupported::device(file));
    };
    let index = driver.index(file, &mut dump.terminals.external)?;
    let terminal = driver.id(index);
    let regf_id = match driver {
        Driver::External => None,
        _ => {
            let path_id = dump.identities.fresh();
            regular::dump_path(file, path_id, dump)?;
            Some(path_id)
        }
    };
    if !dump.terminals.seen.contains_key(&terminal) {
        dump_terminal(file, terminal, driver, index, dump)?;
    }
    let entry = TtyFileEntry {
        id,
        tty_info_id: terminal,
        flags: file.flags,
        fown: file.owner.clone(),
        regf_id,
    };
    dump.write(FdTypes::Tty, id, |to| to.tty = Some(entry))
}

fn dump_terminal(
    file: &OpenFile,
    id: u32,
    driver: Driver,
    index: u32,
    dump: &mut FilesDump<'_>,
) -> Result<()> {
    let entry = info::read(
        file,
        id,
        driver,
        index,
        (&dump.tasks, &dump.pids, &dump.users),
    )?;
    if entry.exclusive && driver != Driver::External {
        file.lose(
            "a terminal in exclusive mode (TIOCEXCL)",
            "the restore leaves it open to everybody",
            dump.options.accept_loss,
        )?;
    }
    let fd = if driver.is_pty() && dump.writes() {
        let duplicate = file.ask("dup", |fd| rustix::io::fcntl_dupfd_cloexec(fd, 0))?;
        Some(duplicate)
    } else {
        None
    };
    let terminal = Terminal {
        driver,
        index,
        sid: entry.sid as i32,
        pgrp: entry.pgrp as i32,
        hung_up: entry.termios.is_none(),
        turns_newlines: driver == Driver::Slave
            && entry.termios.as_ref().is_some_and(info::turns_newlines),
        packet_mode: entry.packet_mode,
        place: file.place.clone(),
        mount: file.stat.mnt_id,
        pid: file.at.pid,
        fd,
    };
    dump.terminals.seen.insert(id, terminal);
    Ok(dump.terminals.image.entry(&entry)?)
}
