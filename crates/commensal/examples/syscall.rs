//! Runs one system call inside a task: `cargo run --example syscall PID` asks
//! the task for its own process id.

use std::error::Error;

use commensal::{Pid, Seized};

/// getpid(2) on x86-64.
const GETPID: u32 = 39;

fn main() -> Result<(), Box<dyn Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: syscall PID")?;
    let pid = Pid::new(pid.parse()?).ok_or("a pid is positive")?;

    let mut task: Seized = Seized::seize(pid)?;
    let answer = task.syscall(pid.leader(), "getpid", GETPID, [0; 6])?;
    task.release()?;

    println!("getpid() in task {pid} gave {answer}");
    Ok(())
}
