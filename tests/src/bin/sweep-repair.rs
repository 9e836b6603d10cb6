//! `sweep-repair PID FD`: holds a task, brings one of its connections into repair mode, and dies
//! by SIGKILL.

use std::error::Error;
use std::os::unix::net::UnixDatagram;

use commensal_infected::{Pid, Seized};
use commensal_sys::pidfd::PidFd;
use commensal_sys::sockopt::{self, SockOpt};
use rustix::process::{Signal, getpid, kill_process};

/// How much the caretaker has to undo before.
const OTHERS: usize = 900;
const PEEK_OFF: SockOpt = SockOpt::new(libc::SOL_SOCKET as u32, libc::SO_PEEK_OFF as u32);
/// tcp(7), linux/tcp.h: leaves repair mode without a packet.
const OFF: i32 = -1;

fn main() -> Result<(), Box<dyn Error>> {
    let repair = SockOpt::new(libc::IPPROTO_TCP as u32, libc::TCP_REPAIR as u32);
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().expect("usage: sweep-repair PID FD");
    let pid = Pid::new(word().parse()?).ok_or("not a pid")?;
    let fd = word().parse()?;
    let _held = Seized::seize(pid)?;
    let socket = PidFd::open(pid)?.duplicate(fd)?;
    let caretaker = commensal_seized::caretaker()?;
    // What comes first makes it late.
    let (other, _end) = UnixDatagram::pair()?;
    for _ in 0..OTHERS {
        let _undoing = caretaker.will_set(&other, PEEK_OFF, -1)?;
    }
    let _undoing = caretaker.will_set(&socket, repair, OFF)?;
    sockopt::set(&socket, repair, &1i32)?;
    kill_process(getpid(), Signal::KILL)?;
    unreachable!("SIGKILL cannot be blocked")
}
