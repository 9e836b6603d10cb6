//! What a terminal says of itself: ioctl_tty(2). The raw kernel structures,
//! because termios(3) hides the fields that a checkpoint must keep.

use std::os::fd::{AsRawFd, BorrowedFd};

use linux_raw_sys::general::__NR_ioctl;

use crate::{Errno, raw};

// include/uapi/asm-generic/ioctls.h
const TCGETS: u64 = 0x5401;
const TIOCGPGRP: u64 = 0x540f;
const TIOCGWINSZ: u64 = 0x5413;
const TIOCGSID: u64 = 0x5429;
const TIOCGPTN: u64 = 0x8004_5430;
const TIOCGDEV: u64 = 0x8004_5432;
const TIOCGPKT: u64 = 0x8004_5438;
const TIOCGPTLCK: u64 = 0x8004_5439;
const TIOCGEXCL: u64 = 0x8004_5440;
const TIOCGLCKTRMIOS: u64 = 0x5456;

/// How many control characters the kernel keeps (`NCCS`).
pub const NCCS: usize = 19;

/// The kernel's `struct termios` (include/uapi/asm-generic/termbits.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Termios {
    /// Input modes.
    pub c_iflag: u32,
    /// Output modes.
    pub c_oflag: u32,
    /// Control modes, the speed among them.
    pub c_cflag: u32,
    /// Local modes.
    pub c_lflag: u32,
    /// The line discipline.
    pub c_line: u8,
    /// Control characters.
    pub c_cc: [u8; NCCS],
}

/// `struct winsize`, in characters and pixels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Winsize {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// Width in pixels.
    pub x_pixels: u16,
    /// Height in pixels.
    pub y_pixels: u16,
}

/// An ioctl that writes one int, as a function of ours.
macro_rules! ints {
    ($($(#[$doc:meta])* $name:ident = $request:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// ENOTTY where the terminal has no such thing, EIO where it hung up.
        pub fn $name(fd: BorrowedFd<'_>) -> Result<i32, Errno> {
            let mut value = 0i32;
            // SAFETY: the request writes one int (ioctl_tty(2)).
            unsafe { ioctl(fd, $request, &raw mut value as u64) }?;
            Ok(value)
        }
    )*};
}

ints! {
    /// The foreground process group. For a slave only its own session may ask.
    foreground_group = TIOCGPGRP;
    /// The session. For a slave only its own session may ask.
    session = TIOCGSID;
    /// The number of a pty, from its master.
    pty_number = TIOCGPTN;
    /// The device number, in the encoding of stat(2), of the terminal behind
    /// the descriptor: `/dev/tty` gives the real one.
    device = TIOCGDEV;
    /// Whether the master is in packet mode.
    packet_mode = TIOCGPKT;
    /// Whether the slave is still locked, from its master.
    locked = TIOCGPTLCK;
    /// Whether the terminal is in exclusive mode.
    exclusive = TIOCGEXCL;
}

/// The terminal's modes.
///
/// # Errors
///
/// ENOTTY where it is no terminal, EIO where it hung up.
pub fn termios(fd: BorrowedFd<'_>) -> Result<Termios, Errno> {
    let mut termios = Termios::default();
    // SAFETY: TCGETS writes one kernel `struct termios`, which this is.
    unsafe { ioctl(fd, TCGETS, &raw mut termios as u64) }?;
    Ok(termios)
}

/// Which of the terminal's modes are locked against change.
///
/// # Errors
///
/// As [`termios`].
pub fn locked_termios(fd: BorrowedFd<'_>) -> Result<Termios, Errno> {
    let mut termios = Termios::default();
    // SAFETY: TIOCGLCKTRMIOS writes one kernel `struct termios`.
    unsafe { ioctl(fd, TIOCGLCKTRMIOS, &raw mut termios as u64) }?;
    Ok(termios)
}

/// The terminal's size.
///
/// # Errors
///
/// As [`termios`].
pub fn winsize(fd: BorrowedFd<'_>) -> Result<Winsize, Errno> {
    let mut winsize = Winsize::default();
    // SAFETY: TIOCGWINSZ writes one `struct winsize`, which this is.
    unsafe { ioctl(fd, TIOCGWINSZ, &raw mut winsize as u64) }?;
    Ok(winsize)
}

/// # Safety
///
/// `arg` must point to memory of ours that may be written as ioctl_tty(2) says
/// for the request.
unsafe fn ioctl(fd: BorrowedFd<'_>, request: u64, arg: u64) -> Result<u64, Errno> {
    // SAFETY: the caller's promise.
    unsafe { raw::syscall(__NR_ioctl, [fd.as_raw_fd() as u64, request, arg, 0, 0, 0]) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::pty::{OpenptFlags, openpt, unlockpt};

    use super::*;

    #[test]
    fn a_fresh_pty_is_locked_and_in_no_session() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let fd = master.as_fd();
        assert_eq!(locked(fd), Ok(1));
        unlockpt(fd).unwrap();
        assert_eq!(locked(fd), Ok(0));
        assert_eq!(packet_mode(fd), Ok(0));
        assert_eq!(exclusive(fd), Ok(0));
        assert_eq!(session(fd), Err(Errno::NOTTY));
        assert_eq!(termios(fd).unwrap().c_cc[0], 3, "VINTR is ^C");
        assert_eq!(locked_termios(fd), Ok(Termios::default()));
        assert_eq!(winsize(fd), Ok(Winsize::default()));
    }
}
