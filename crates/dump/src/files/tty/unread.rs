//! Whether something is unread in a pty, found out without taking it.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};

use super::Terminal;
use super::driver::Driver;
use commensal_seized::later;

/// What a read would give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// So many bytes (FIONREAD): in canonical mode those of complete lines.
    Bytes(u64),
    /// An end of file that was typed, or a control byte of packet mode.
    Mark,
}

/// Warns of each side of a pty in which something is unread, and tells how many these are. Not of
/// a slave whose master is outside of the tree: who has that keeps what is in it.
pub fn warn(terminals: &BTreeMap<u32, Terminal>, why: &'static str) -> u64 {
    let is_ours = |one: &&Terminal| match one.driver {
        Driver::Master => true,
        Driver::Slave => terminals.contains_key(&Driver::Master.id(one.index)),
        _ => false,
    };
    let mut count = 0;
    for one in terminals.values().filter(is_ours) {
        if let Some(waiting) = one.waiting() {
            count += 1;
            let (place, index) = (one.place.clone(), one.index);
            let what = match waiting {
                Waiting::Bytes(1) => "1 unread byte is".to_owned(),
                Waiting::Bytes(n) => format!("{n} unread bytes are"),
                Waiting::Mark => "an unread end of file or control byte is".to_owned(),
            };
            later(move || tracing::warn!("{place}: pty {index}: {what} not in the images: {why}"));
        }
    }
    count
}

impl Terminal {
    fn waiting(&self) -> Option<Waiting> {
        let fd = self.fd.as_ref().filter(|_| !self.hung_up)?;
        waiting(fd.as_fd()).ok().flatten()
    }
}

fn waiting(fd: BorrowedFd<'_>) -> Result<Option<Waiting>, Errno> {
    // Looking has the kernel hand over what is on its way.
    let readable = is_readable(fd)?;
    match ioctl_fionread(fd)? {
        0 if readable => Ok(Some(Waiting::Mark)),
        0 => Ok(None),
        n => Ok(Some(Waiting::Bytes(n))),
    }
}

/// Whether a read would return at once with something.
pub fn is_readable(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default()))?;
    Ok(fds[0].revents().contains(PollFlags::IN))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::fs::{Mode, OFlags};
    use rustix::io::write;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

    use super::*;

    fn pty() -> (OwnedFd, OwnedFd) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        (master, slave)
    }

    #[test]
    fn what_waits_is_seen_on_either_side() {
        let (master, slave) = pty();
        assert_eq!(waiting(master.as_fd()), Ok(None));
        assert_eq!(waiting(slave.as_fd()), Ok(None));
        write(&slave, b"output").unwrap();
        assert_eq!(waiting(master.as_fd()), Ok(Some(Waiting::Bytes(6))));
        write(&master, b"a line\n").unwrap();
        assert_eq!(waiting(slave.as_fd()), Ok(Some(Waiting::Bytes(7))));
    }

    #[test]
    fn an_end_of_file_is_something() {
        let (master, slave) = pty();
        write(&master, b"\x04").unwrap();
        assert_eq!(waiting(slave.as_fd()), Ok(Some(Waiting::Mark)));
    }

    #[test]
    fn fewer_bytes_than_a_read_waits_for_are_seen() {
        let (master, slave) = pty();
        let mut modes = tcgetattr(&slave).unwrap();
        modes.make_raw();
        modes.special_codes[SpecialCodeIndex::VMIN] = 9;
        tcsetattr(&slave, OptionalActions::Now, &modes).unwrap();
        write(&master, b"few").unwrap();
        assert_eq!(waiting(slave.as_fd()), Ok(Some(Waiting::Bytes(3))));
    }

    #[test]
    fn what_is_left_when_the_other_side_is_closed_is_seen() {
        let (master, slave) = pty();
        write(&slave, b"last words").unwrap();
        drop(slave);
        assert_eq!(waiting(master.as_fd()), Ok(Some(Waiting::Bytes(10))));
    }
}
