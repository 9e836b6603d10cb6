//! `sweep-stop PID`: asks the main thread of a task to stop, waits until it stands still, and dies by
//! SIGKILL before it has put right what the stop did.

use std::error::Error;
use std::time::{Duration, Instant};

use commensal_infected::Pid;
use commensal_sys::ptrace::{self, Options};
use commensal_sys::wait;
use rustix::process::{Signal, getpid, kill_process};

const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let pid = std::env::args().nth(1).expect("usage: sweep-stop PID");
    let tid = Pid::new(pid.parse()?).ok_or("not a pid")?.leader();
    let caretaker = commensal_seized::caretaker()?;
    let stops = caretaker.stops()?;
    // Whoever looks after the last dumper may still be at it.
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = ptrace::seize(tid, Options::default()) {
        if Instant::now() > deadline {
            return Err(error.into());
        }
        std::thread::yield_now();
    }
    stops.begin(tid, false);
    ptrace::interrupt(tid)?;
    wait::wait(tid, PATIENCE)?;
    kill_process(getpid(), Signal::KILL)?;
    unreachable!("SIGKILL cannot be blocked")
}
