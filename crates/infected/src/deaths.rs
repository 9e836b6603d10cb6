//! The dumper is killed while the parasite is in the middle of a command: at each system call
//! stop of the parasite's own, for each command.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command as Program, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use commensal_abi::Command;
use commensal_seized::{Pid, Seized};
use rustix::process::{Signal, getpid, kill_process};

use crate::Infected;

/// What the second process is to do: the target's pid, the command's number, the stop.
const PART: &str = "COMMENSAL_DEATH";
/// How it ends when the parasite has answered before that stop.
const ANSWERED: i32 = 7;
/// After it, the stop is "none": the parasite runs freely.
const FREELY: usize = usize::MAX;

/// `cat`, which proves that it lives by its answers.
struct Target(Child);

impl Target {
    fn start() -> Self {
        let child = Program::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut target = Self(child.unwrap());
        target.assert_alive();
        target
    }

    fn assert_alive(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"?").unwrap();
        let mut answer = [0];
        let stdout = self.0.stdout.as_mut().unwrap();
        stdout.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"?");
        // It reads again.
        while !self.proc("syscall").starts_with("0 ") {
            std::thread::yield_now();
        }
    }

    fn proc(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0.id())).unwrap()
    }

    /// What must be the same before and after.
    fn look(&self) -> (String, usize, Vec<String>) {
        let fds = fs::read_dir(format!("/proc/{}/fd", self.0.id())).unwrap();
        let kept = [
            "State",
            "SigP",
            "SigB",
            "SigI",
            "SigC",
            "ShdPnd",
            "TracerPid",
        ];
        let status = self.proc("status");
        let status = status
            .lines()
            .filter(|line| kept.iter().any(|name| line.starts_with(name)));
        let status = status.map(str::to_owned).collect();
        (self.proc("maps"), fds.count(), status)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the second process and waits for its end.
fn die(target: &Target, command: Command, stop: usize) -> ExitStatus {
    let part = format!("{} {} {stop}", target.0.id(), command as u32);
    Program::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "deaths::second_process",
            "--ignored",
            "--nocapture",
        ])
        .env(PART, part)
        .stdout(Stdio::null())
        .status()
        .unwrap()
}

#[test]
#[ignore = "no test of its own: the tests below start it as a process of its own, to die in"]
fn second_process() {
    let part = std::env::var(PART).unwrap();
    let words: Vec<&str> = part.split(' ').collect();
    let pid = Pid::new(words[0].parse().unwrap()).unwrap();
    let command = Command::from_raw(words[1].parse().unwrap()).unwrap();
    let mut infected = Infected::infect(Seized::seize(pid).unwrap()).unwrap();
    let parasite = infected.parasite_mut();
    // Three timers that there are not, for the command that takes some.
    parasite
        .mapping
        .write(crate::area::POSIX_TIMERS, &[3])
        .unwrap();
    parasite.channel.send(command).unwrap();
    match words[2].parse().unwrap() {
        FREELY => parasite.run().unwrap(),
        stop => {
            for _ in 0..stop {
                if parasite.channel.is_readable().unwrap() {
                    std::process::exit(ANSWERED);
                }
                parasite.injection.run_to_syscall_stop().unwrap();
            }
        }
    }
    kill_process(getpid(), Signal::KILL).unwrap();
}

fn assert_harmless(command: Command, step: usize) {
    let mut target = Target::start();
    let before = target.look();
    let mut stops = (0..).step_by(step);
    loop {
        let stop = stops.next().unwrap();
        let end = die(&target, command, stop);
        if end.code() == Some(ANSWERED) {
            assert!(stop > 4, "{command:?} has no stops");
            break;
        }
        assert_eq!(end.signal(), Some(9), "{command:?}, stop {stop}: {end}");
        assert_unchanged(&mut target, &before, command, stop);
    }
    let end = die(&target, command, FREELY);
    assert_eq!(end.signal(), Some(9), "{command:?}, freely: {end}");
    assert_unchanged(&mut target, &before, command, FREELY);
}

/// It may take the target a moment to get home.
fn assert_unchanged(
    target: &mut Target,
    before: &(String, usize, Vec<String>),
    command: Command,
    stop: usize,
) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while target.look() != *before && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(target.look(), *before, "{command:?}, stop {stop}");
    target.assert_alive();
}

#[test]
fn ping() {
    assert_harmless(Command::Ping, 1);
}

#[test]
fn thread() {
    assert_harmless(Command::Thread, 1);
}

#[test]
fn posix_timers() {
    assert_harmless(Command::PosixTimers, 1);
}

/// It makes some ninety calls.
#[test]
fn task() {
    assert_harmless(Command::Task, 31);
}

/// As many, and those of the others.
#[test]
fn survey() {
    assert_harmless(Command::Survey, 37);
}
