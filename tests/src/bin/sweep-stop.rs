//! `sweep-stop PID`: asks the main thread of a task to stop, waits until it stands still, and dies by
//! SIGKILL before it has put right what the stop did.

use std::error::Error;
use std::time::Duration;

use commensal_infected::Pid;
use commensal_sys::ptrace::{self, Options};
use commensal_sys::wait;
use rustix::process::{Signal, getpid, kill_process};

fn main() -> Result<(), Box<dyn Error>> {
    let pid = std::env::args().nth(1).expect("usage: sweep-stop PID");
    let tid = Pid::new(pid.parse()?).ok_or("not a pid")?.leader();
    let caretaker = commensal_seized::caretaker()?;
    let stops = caretaker.stops()?;
    ptrace::seize(tid, Options::default())?;
    stops.begin(tid, false);
    ptrace::interrupt(tid)?;
    wait::wait(tid, Duration::from_secs(10))?;
    kill_process(getpid(), Signal::KILL)?;
    unreachable!("SIGKILL cannot be blocked")
}
