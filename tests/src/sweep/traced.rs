//! Killing a dumper as its tracer, where no program may be loaded into the kernel, or because a dumper that
//! is traced is a case of its own. At the entry of a call it dies before the call is made.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Signal;

use super::killer::{End, shell};
use super::raw::{self, Stop};
use crate::harness::process;

/// Run a dumper, and send it a signal at a stop.
pub(super) fn run(dumper: &Command, point: usize, signal: Signal) -> End {
    // What a thread waits for are its own tracees: others may have children, too.
    thread::scope(|scope| {
        let runner = scope.spawn(|| trace(dumper, point, signal));
        runner.join().expect("the tracer of the dumper")
    })
}

fn trace(dumper: &Command, point: usize, signal: Signal) -> End {
    // It waits for a line, until we have become its tracer.
    let mut child = shell("read line", dumper)
        .stdin(Stdio::piped())
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
