//! Which driver a terminal belongs to, and its number in the images.

use commensal_images::messages::TtyType;
use commensal_sys::tty;
use rustix::fs::{major, minor};

use super::super::{OpenFile, Stat};
use crate::{External, Options, Result};

// include/uapi/linux/major.h
const TTY_MAJOR: u32 = 4;
const TTYAUX_MAJOR: u32 = 5;
const UNIX98_PTY_MASTER_MAJORS: core::ops::RangeInclusive<u32> = 128..=135;
const UNIX98_PTY_SLAVE_MAJOR: u32 = 136;
const USB_SERIAL_MAJOR: u32 = 188;
const LOW_DENSE_SERIAL_MAJOR: u32 = 204;

/// Minors of virtual consoles (include/uapi/linux/vt.h).
const VT_MINORS: core::ops::RangeInclusive<u32> = 1..=63;

// The format numbers every terminal: ptys by their own number, the others from here.
const MAX_PTY: u32 = 1000;
const CONSOLE: u32 = 1002;
const VT: u32 = 1004;
const CONTROLLING: u32 = 1006;
const SERIAL: u32 = 1010;
const EXTERNAL: u32 = 1012;
const MAX_EXTERNAL: u32 = 1076;

/// The drivers a restore knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The side of a pty that a terminal emulator has.
    Master,
    /// The side of a pty that programs have.
    Slave,
    /// `/dev/console`.
    Console,
    /// `/dev/tty`: the controlling terminal, whichever it is.
    Controlling,
    /// A virtual console.
    VirtualConsole,
    /// A serial line.
    Serial,
    /// A terminal the restore is given.
    External,
}

impl Driver {
    /// The driver of a character device.
    pub fn of(stat: &Stat, options: &Options) -> Option<Self> {
        let this = External::Tty {
            rdev: stat.rdev,
            dev: stat.dev,
        };
        if options.external.contains(&this) {
            return Some(Self::External);
        }
        match (major(stat.rdev), minor(stat.rdev)) {
            (TTYAUX_MAJOR, 0) => Some(Self::Controlling),
            (TTYAUX_MAJOR, 1) => Some(Self::Console),
            (TTYAUX_MAJOR, 2) => Some(Self::Master),
            (TTY_MAJOR, minor) if VT_MINORS.contains(&minor) => Some(Self::VirtualConsole),
            (USB_SERIAL_MAJOR | LOW_DENSE_SERIAL_MAJOR, _) => Some(Self::Serial),
            (major, _) if UNIX98_PTY_MASTER_MAJORS.contains(&major) => Some(Self::Master),
            (UNIX98_PTY_SLAVE_MAJOR, _) => Some(Self::Slave),
            _ => None,
        }
    }

    /// Whether it is a side of a pty.
    pub fn is_pty(self) -> bool {
        matches!(self, Self::Master | Self::Slave)
    }

    /// Its type in the images.
    pub fn tty_type(self) -> TtyType {
        match self {
            Self::Master | Self::Slave => TtyType::Pty,
            Self::Console => TtyType::Console,
            Self::Controlling => TtyType::Ctty,
            Self::VirtualConsole => TtyType::Vt,
            Self::Serial => TtyType::Serial,
            Self::External => TtyType::ExtTty,
        }
    }

    /// The number of the terminal among those of its driver.
    pub fn index(self, file: &OpenFile, external: &mut u32) -> Result<u32> {
        let (index, limit) = match self {
            Self::Master => (file.ask("TIOCGPTN", tty::pty_number)? as u32, MAX_PTY),
            Self::Slave => (minor(file.stat.rdev), MAX_PTY),
            Self::External => {
                *external += 1;
                (EXTERNAL + *external, MAX_EXTERNAL)
            }
            Self::Console => return Ok(CONSOLE),
            Self::Controlling => return Ok(CONTROLLING),
            Self::VirtualConsole => return Ok(VT),
            Self::Serial => return Ok(SERIAL),
        };
        if index > limit {
            return Err(file.refuse(
                format!("terminal number {index}"),
                format!("the image format numbers terminals up to {limit}"),
                "close terminals until a lower number is free, and start the program again",
            ));
        }
        Ok(index)
    }

    /// The number of the terminal in the images.
    pub fn id(self, index: u32) -> u32 {
        index << 1 | u32::from(self == Self::Master)
    }
}
