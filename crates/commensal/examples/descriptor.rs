//! Fetches a descriptor of a task: `cargo run --example descriptor PID FD`
//! tells what the task has open there.

use std::error::Error;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use commensal::{Cured, Daemonized, Infected, Pid, Seized};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(pid), Some(fd)) = (args.next(), args.next()) else {
        return Err("usage: descriptor PID FD".into());
    };
    let pid = Pid::new(pid.parse()?).ok_or("a pid is positive")?;

    let seized: Seized = Seized::seize(pid)?;
    let infected: Infected = Infected::infect(seized)?;
    let daemonized: Daemonized = Daemonized::daemonize(infected)?;
    let file: OwnedFd = daemonized.fd(fd.parse()?)?;
    let infected: Infected = daemonized.stop()?;
    let cured: Cured = infected.cure()?;
    cured.resume()?;

    let name = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    println!("descriptor {fd} of task {pid} is {}", name.display());
    Ok(())
}
