//! `victim-watch REPORT [--child MODE] MODE...`: a thread for each mode, which checks in every
//! round, of about a millisecond, that nothing of it has changed. With `--child`, a child
//! process that does so, too.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use commensal_abi::CALLS;
use commensal_sys::namespace::unshare_network;
use commensal_tests::victim::report::{Fault, Report, Worker};
use commensal_tests::victim::{general, hard, pattern, raw, restartable, signals, vector};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::io::Errno;
use rustix::thread::{NanosleepRelativeResult, futex, nanosleep};
use rustix::time::Timespec;

/// A nap, and how much later than asked for it may end: the freezes of a sweep, and a loaded
/// machine.
const NAP: Duration = Duration::from_micros(300);
const PATIENCE: Duration = Duration::from_secs(20);

struct Arguments {
    report: PathBuf,
    child: Option<String>,
    modes: Vec<String>,
}

fn arguments() -> Arguments {
    let mut words = std::env::args().skip(1);
    let report = words
        .next()
        .expect("usage: victim-watch REPORT [--child MODE] MODE...")
        .into();
    let mut modes: Vec<String> = words.collect();
    let mut child = None;
    if modes.first().is_some_and(|word| word == "--child") {
        child = Some(modes.remove(1));
        modes.remove(0);
    }
    Arguments {
        report,
        child,
        modes,
    }
}

fn main() {
    let arguments = arguments();
    signals::stir();
    if arguments.modes.iter().any(|mode| mode == "stopped") {
        signals::take_continue();
        raw::timer();
    }
    let report: &Report = Box::leak(Box::new(Report::open(&arguments.report).expect("a report")));
    if let Some(mode) = arguments.child
        && raw::fork().is_none()
    {
        work(&mode, report.worker(0));
    }
    let first = usize::from(std::env::args().any(|word| word == "--child"));
    let mut modes = arguments.modes.into_iter().enumerate();
    let (_, own) = modes.next().expect("a mode");
    for (index, mode) in modes {
        std::thread::spawn(move || work(&mode, report.worker(first + index)));
    }
    work(&own, report.worker(first))
}

/// Rounds for ever.
fn work(mode: &str, worker: Worker<'_>) -> ! {
    let mut connection = (mode == "apart").then(apart);
    let state = signals::State::now();
    let mut page = vec![0; 4 * pattern::WORDS];
    pattern::fill(&mut page, 11);
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let nobody = AtomicU32::new(0);
    let instance = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll instance");
    let mut events = Vec::with_capacity(1);
    let mode = match mode {
        "apart" => "mixed",
        "lean" | "no-restart" => {
            lean(mode == "lean");
            "mixed"
        }
        "stopped" => "mixed",
        mode => mode,
    };
    let mut seed = 1;
    loop {
        if matches!(mode, "spin" | "mixed") {
            worker.check(general::survive(seed, 400_000), Fault::Registers);
            worker.check(vector::survives_turns(seed, 400_000), Fault::Registers);
        }
        if mode == "rseq" {
            let ends: Vec<_> = (0..20).map(|_| restartable::go_through(100_000)).collect();
            let whole = !ends.contains(&restartable::End::HalfDone);
            worker.check(whole, Fault::Registers);
        }
        if matches!(mode, "nap" | "mixed") {
            timed(worker, || match nanosleep(&span(NAP)) {
                NanosleepRelativeResult::Ok => Ok(()),
                NanosleepRelativeResult::Interrupted(_) => Err(Errno::INTR),
                NanosleepRelativeResult::Err(errno) => Err(errno),
            });
        }
        if matches!(mode, "poll" | "mixed") {
            let mut fds = [PollFd::new(&reader, PollFlags::IN)];
            timed(worker, || poll(&mut fds, Some(&span(NAP))).map(drop));
        }
        if mode == "futex" {
            let flags = futex::Flags::PRIVATE;
            timed(worker, || {
                match futex::wait(&nobody, flags, 0, Some(&span(NAP))) {
                    Err(Errno::TIMEDOUT) => Ok(()),
                    other => other,
                }
            });
        }
        if mode == "epoll" {
            let events = spare_capacity(&mut events);
            timed(worker, || {
                epoll::wait(&instance, events, Some(&span(NAP))).map(drop)
            });
        }
        if let Some((client, server)) = &mut connection {
            echo(worker, client, server);
        }
        worker.check(signals::State::now() == state, Fault::Signals);
        worker.check(pattern::holds(&page, 11), Fault::Memory);
        worker.round();
        seed += 2;
    }
}

/// Moves the task into a network namespace of its own, with a connection in it. Takes root.
fn apart() -> (TcpStream, TcpStream) {
    unshare_network().expect("a network namespace");
    let mut ip = Command::new("ip");
    let up = ip.args(["link", "set", "lo", "up"]).status();
    assert!(up.is_ok_and(|status| status.success()), "its interface");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number");
    let client = TcpStream::connect(address).expect("a connection");
    let (server, _) = listener.accept().expect("its other end");
    (client, server)
}

/// What is sent arrives, and no call gives an error.
fn echo(worker: Worker<'_>, client: &mut TcpStream, server: &mut TcpStream) {
    let mut byte = [0];
    let sent = client.write(&[7]).and_then(|_| server.read(&mut byte));
    match sent {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            worker.check(false, Fault::Interrupted);
        }
        sent => worker.check(sent.is_ok() && byte == [7], Fault::Result),
    }
}

/// A filter that allows what who enters it needs, and nothing else; `restart` allows
/// restart_syscall(2), which the kernel makes for a timed call after any stop, SIGSTOP's, too.
fn lean(restart: bool) {
    const RESTART_SYSCALL: u32 = 219;
    let calls = CALLS.iter().map(|&(_, nr, _)| nr);
    let calls: Vec<u32> = calls.chain(restart.then_some(RESTART_SYSCALL)).collect();
    hard::enter("seccomp-lean", &calls);
}

/// A call that must last a nap and give no error.
fn timed(worker: Worker<'_>, call: impl FnOnce() -> Result<(), Errno>) {
    let start = Instant::now();
    match call() {
        Ok(()) => {}
        Err(Errno::INTR) => worker.check(false, Fault::Interrupted),
        Err(_) => worker.check(false, Fault::Result),
    }
    let lasted = start.elapsed();
    worker.check(lasted >= NAP && lasted < PATIENCE, Fault::Time);
}

fn span(duration: Duration) -> Timespec {
    duration.try_into().expect("a short time")
}
