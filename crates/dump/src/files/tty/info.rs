//! The state of a terminal: modes, size, locks, session and foreground group.

use commensal_images::messages::{TermiosEntry, TtyInfoEntry, TtyPtyEntry, WinsizeEntry};
use commensal_sys::{Errno, Pid, tty};

use super::super::OpenFile;
use super::driver::Driver;
use crate::pidns::Pids;
use crate::userns::Users;
use crate::{Result, proc};

/// How many numbers the images have for the control characters. They hold the characters as
/// bytes, four in a number, with the rest unused.
const CONTROL_WORDS: usize = tty::NCCS;

/// Reads the state of the terminal behind a file.
///
/// # Errors
///
/// When an ioctl fails otherwise than for a terminal that hung up.
pub fn read(
    file: &OpenFile,
    id: u32,
    driver: Driver,
    index: u32,
    (tasks, pids, users): (&[Pid], &Pids, &Users),
) -> Result<TtyInfoEntry> {
    // A terminal from outside keeps its owner, whoever that is.
    let owner = match users.owner(file.stat.owner) {
        Err(_) if !driver.is_pty() => None,
        _ => Some(file.owned_by("a terminal", users)?),
    };
    let mut entry = TtyInfoEntry {
        id,
        r#type: driver.tty_type().into(),
        rdev: file.stat.rdev as u32,
        dev: Some(file.stat.dev as u32),
        uid: owner.map(|(uid, _)| uid),
        gid: owner.map(|(_, gid)| gid),
        pty: driver.is_pty().then_some(TtyPtyEntry { index }),
        ..TtyInfoEntry::default()
    };
    match file.ask("TIOCGEXCL", tty::exclusive) {
        Ok(exclusive) => entry.exclusive = exclusive != 0,
        // It hung up: there is nothing more to know.
        Err(crate::Error::Call {
            errno: Errno::IO, ..
        }) => return Ok(entry),
        Err(error) => return Err(error),
    }
    let (sid, pgrp) = session(file, driver, tasks)?;
    // A foreground group may be gone.
    entry.pgrp = pids.find(pgrp).unwrap_or_default().for_image();
    entry.sid = match pids.find(sid) {
        Some(sid) => sid.for_image(),
        None => return Err(foreign(file, sid)),
    };
    if driver.is_pty() {
        entry.packet_mode = or_zero(file.ask("TIOCGPKT", tty::packet_mode))? != 0;
        entry.locked = or_zero(file.ask("TIOCGPTLCK", tty::locked))? != 0;
    }
    let size = file.ask("TIOCGWINSZ", tty::winsize)?;
    entry.termios = Some(termios(&file.ask("TCGETS", tty::termios)?));
    entry.termios_locked = Some(termios(&file.ask("TIOCGLCKTRMIOS", tty::locked_termios)?));
    entry.winsize = Some(WinsizeEntry {
        ws_row: size.rows.into(),
        ws_col: size.columns.into(),
        ws_xpixel: size.x_pixels.into(),
        ws_ypixel: size.y_pixels.into(),
    });
    Ok(entry)
}

/// Session and foreground group. A master tells them to everyone, other terminals only to their
/// own session, so for these the tasks of the tree are asked.
fn session(file: &OpenFile, driver: Driver, tasks: &[Pid]) -> Result<(i32, i32)> {
    if driver == Driver::Master {
        let sid = or_zero(file.ask("TIOCGSID", tty::session))?;
        let pgrp = or_zero(file.ask("TIOCGPGRP", tty::foreground_group))?;
        return Ok((sid, pgrp));
    }
    let device = or_zero(file.ask("TIOCGDEV", tty::device))?;
    let owner_first = std::iter::once(&file.at.pid).chain(tasks);
    for pid in owner_first {
        let stat = proc::read(*pid, "stat")?;
        let control = Control::parse(&stat)
            .ok_or_else(|| proc::unexpected(proc::path(*pid, "stat"), &stat))?;
        if device != 0 && control.terminal == device {
            return Ok((control.sid, control.foreground.max(0)));
        }
    }
    Ok((0, 0))
}

/// What proc_pid_stat(5) says of the controlling terminal.
#[derive(Debug, PartialEq, Eq)]
struct Control {
    sid: i32,
    terminal: i32,
    foreground: i32,
}

impl Control {
    /// `pid (comm) state ppid pgrp session tty_nr tpgid …`; the name may hold anything.
    fn parse(stat: &[u8]) -> Option<Self> {
        let behind_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let text = std::str::from_utf8(&stat[behind_name..]).ok()?;
        let mut fields = text.split_whitespace().skip(3);
        let mut next = || fields.next()?.parse().ok();
        Some(Self {
            sid: next()?,
            terminal: next()?,
            foreground: next()?,
        })
    }
}

/// ENOTTY is how a terminal says that it has no such thing.
fn foreign(file: &OpenFile, sid: i32) -> crate::Error {
    file.refuse(
        format!("the terminal of session {sid}"),
        "the leader of that session is outside of the tree's pid namespace",
        "let the program give the terminal up (TIOCNOTTY), or close it before the dump",
    )
}

fn or_zero(answer: Result<i32>) -> Result<i32> {
    match answer {
        Err(crate::Error::Call {
            errno: Errno::NOTTY,
            ..
        }) => Ok(0),
        other => other,
    }
}

/// Whether the modes are such that a newline that is written becomes two characters.
pub fn turns_newlines(modes: &TermiosEntry) -> bool {
    // include/uapi/asm-generic/termbits.h
    const OPOST: u32 = 0x1;
    const ONLCR: u32 = 0x4;
    modes.c_oflag & (OPOST | ONLCR) == OPOST | ONLCR
}

fn termios(modes: &tty::Termios) -> TermiosEntry {
    let mut control = vec![0; CONTROL_WORDS];
    for (word, bytes) in control.iter_mut().zip(modes.c_cc.chunks(4)) {
        let mut padded = [0; 4];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u32::from_le_bytes(padded);
    }
    TermiosEntry {
        c_iflag: modes.c_iflag,
        c_oflag: modes.c_oflag,
        c_cflag: modes.c_cflag,
        c_lflag: modes.c_lflag,
        c_line: modes.c_line.into(),
        // The speed is in c_cflag; the format has these two and no reader uses them.
        c_ispeed: 0,
        c_ospeed: 0,
        c_cc: control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_task_may_hold_anything() {
        let stat = b"17 (a) 1 (b) S 16 17 15 34818 17 4194304 0";
        let control = Control {
            sid: 15,
            terminal: 34818,
            foreground: 17,
        };
        assert_eq!(Control::parse(stat), Some(control));
        assert_eq!(Control::parse(b"17 (a) S 16"), None);
        assert_eq!(Control::parse(b"17 a S 16 17 15 34818 17"), None);
    }

    #[test]
    fn control_characters_are_packed_four_in_a_word() {
        let mut modes = tty::Termios::default();
        modes.c_cc[..5].copy_from_slice(&[3, 0x1c, 0x7f, 0x15, 4]);
        let entry = termios(&modes);
        assert_eq!(entry.c_cc.len(), 19);
        assert_eq!(entry.c_cc[..2], [0x157f_1c03, 4]);
    }
}
