//! Running a dumper and killing it, or asking it to end, at one of its own system call stops.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Signal;

use super::raw::{self, Stop};
use crate::harness::process;

/// How a dumper ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By the signal, or after it, at the stop that was asked for.
    Signalled,
    /// By itself, after so many stops, with this wait status.
    Finished {
        /// System call stops, entries and exits, of all its threads.
        stops: usize,
        /// 0 for success (wait(2)).
        status: i32,
    },
}

/// Run a dumper and kill it: [`signal_at`] with SIGKILL.
pub fn kill_at(dumper: &Command, point: usize) -> End {
    signal_at(dumper, point, Signal::KILL)
}

/// Run a dumper and send it a signal at its `point`th system call stop, entries and exits of
/// all its threads counted from 1.
///
/// # Panics
///
/// When it cannot be started or traced.
pub fn signal_at(dumper: &Command, point: usize, signal: Signal) -> End {
    // What a thread waits for are its own tracees: others may have children, too.
    thread::scope(|scope| {
        let runner = scope.spawn(|| run(dumper, point, signal));
        runner.join().expect("the tracer of the dumper")
    })
}

fn run(dumper: &Command, point: usize, signal: Signal) -> End {
    // A shell that waits for a line gives us the time to become its tracer.
    let mut child = Command::new("sh")
        .args(["-c", "read line; exec \"$@\"", "sh"])
        .arg(dumper.get_program())
        .args(dumper.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    let pid = child.id() as i32;
    raw::seize(pid).expect("our own child can be traced");
    let stdin = child.stdin.as_mut().expect("its input is piped");
    stdin.write_all(b"\n").expect("the shell reads");
    let end = count(pid, point, signal);
    // Its status has been collected.
    drop(child);
    end
}

fn count(pid: i32, point: usize, signal: Signal) -> End {
    let (mut started, mut sent, mut stops) = (false, false, 0);
    let mut status = 0;
    while let Some((tid, stop)) = raw::wait() {
        match stop {
            Stop::Gone(how) if tid == pid => status = how,
            Stop::Gone(_) => continue,
            Stop::Exec => started = true,
            Stop::Syscall if started => stops += 1,
            Stop::Syscall | Stop::Event | Stop::Signal(_) => {}
        }
        if started && stops == point && !sent {
            sent = true;
            process::signal(pid as u32, signal);
        }
        match stop {
            Stop::Gone(_) => {}
            Stop::Signal(signal) => raw::resume(tid, signal),
            _ if sent && signal == Signal::KILL => {}
            _ => raw::resume(tid, 0),
        }
    }
    if sent {
        End::Signalled
    } else {
        End::Finished { stops, status }
    }
}
