//! Two pty pairs of its own: one it talks through, one with data that nobody has read.

use std::os::fd::OwnedFd;
use std::time::Duration;

use commensal_tests::victim::{Rounds, check, fault, sleep};
use rustix::fs::{Mode, OFlags};
use rustix::io::{ioctl_fionread, read, write};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    OptionalActions, SpecialCodeIndex, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

const SIZE: (u16, u16) = (33, 99);
const UNREAD: &[u8] = b"nobody reads this";

struct Pair {
    master: OwnedFd,
    slave: OwnedFd,
}

fn main() {
    let used = Pair::new();
    let waiting = Pair::new();
    write(&waiting.slave, UNREAD).expect("room");
    let mut rounds = Rounds::default();
    loop {
        used.check(rounds.count());
        let left = ioctl_fionread(&waiting.master);
        check(left == Ok(UNREAD.len() as u64), "what was unread is gone");
        sleep(Duration::from_millis(20));
        rounds.done();
    }
}

impl Pair {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&master).expect("a slave");
        unlockpt(&master).expect("a slave");
        let name = ptsname(&master, Vec::new()).expect("a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let slave = rustix::fs::open(name, flags, Mode::empty()).expect("a slave");
        let mut modes = tcgetattr(&slave).expect("modes");
        modes.make_raw();
        modes.special_codes[SpecialCodeIndex::VEOL] = b'!';
        tcsetattr(&slave, OptionalActions::Now, &modes).expect("raw modes");
        let size = Winsize {
            ws_row: SIZE.0,
            ws_col: SIZE.1,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).expect("a size");
        Self { master, slave }
    }

    fn check(&self, round: u64) {
        self.pass(&self.master, &self.slave, round);
        self.pass(&self.slave, &self.master, !round);
        let size = tcgetwinsize(&self.slave).expect("a size");
        check((size.ws_row, size.ws_col) == SIZE, "the size changed");
        let modes = tcgetattr(&self.slave).expect("modes");
        check(
            modes.special_codes[SpecialCodeIndex::VEOL] == b'!',
            "the modes changed",
        );
    }

    /// What is written on one side comes out of the other as it is, even control characters.
    fn pass(&self, from: &OwnedFd, to: &OwnedFd, word: u64) {
        write(from, &word.to_ne_bytes()).expect("room");
        let mut bytes = [0; 8];
        let mut at = 0;
        while at < bytes.len() {
            match read(to, &mut bytes[at..]) {
                Ok(more) if more > 0 => at += more,
                other => fault(&format!("read from a pty: {other:?}")),
            }
        }
        check(
            u64::from_ne_bytes(bytes) == word,
            "a pty changed what it passed on",
        );
    }
}
