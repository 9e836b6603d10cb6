//! `sweep-chain PID...`: goes through the whole chain of states with each task, or asks it without
//! the parasite where it is stopped, and writes nothing: the smallest dumper.

use std::error::Error;
use std::process::ExitCode;

use commensal_daemonized::Daemonized;
use commensal_infected::{Infected, Pid, Seized, ask_alone};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let pids = std::env::args()
        .skip(1)
        .map(|word| word.parse().ok().and_then(Pid::new));
    let pids: Option<Vec<Pid>> = pids.collect();
    let mut held = Vec::new();
    for pid in pids.ok_or("usage: sweep-chain PID...")? {
        held.push(Seized::seize(pid)?);
    }
    let mut daemons = Vec::new();
    for mut task in held {
        if task.stop_signal().is_some() {
            ask_alone(&mut task, &[])?;
            task.release()?;
            continue;
        }
        let mut infected = Infected::infect(task)?;
        infected.ping()?;
        daemons.push(Daemonized::daemonize(infected)?);
    }
    let mut infected = Vec::new();
    for mut daemon in daemons {
        daemon.task_info()?;
        daemon.fd(0)?;
        infected.push(daemon.stop()?);
    }
    for mut task in infected {
        task.thread_infos()?;
        task.cure()?.resume()?;
    }
    Ok(())
}
