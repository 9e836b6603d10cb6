//! A target that waits in a system call is dumped twenty times in a row: the call goes on as if
//! nothing had happened.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use commensal_tests::harness::{Dumper, Terminals, Then, paths, wait_for};
use commensal_tests::victim::calls::{NAMES, TIMED};

const TIMES: u32 = 20;
/// The dumps of a timed call are spread, so that one that begins anew is late.
const APART: Duration = Duration::from_millis(100);
/// Calls that are tried at a time: they sleep, but their dumpers do not.
const AT_A_TIME: usize = 3;

struct Waiting {
    name: &'static str,
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Waiting {
    fn start(name: &'static str) -> Self {
        let mut child = Command::new("setsid")
            .arg(paths::victim("victim-calls"))
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the victim starts");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut victim = Self {
            name,
            child,
            output,
        };
        assert_eq!(victim.line(), "ready", "{name}");
        victim.wait_until_asleep();
        victim
    }

    /// A system call's number is the first word while it sleeps in one.
    fn wait_until_asleep(&self) {
        let path = format!("/proc/{}/syscall", self.child.id());
        wait_for(self.name, || {
            let call = std::fs::read_to_string(&path).ok()?;
            (call != "running\n" && !call.starts_with("1 ")).then_some(())
        });
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("its output is text");
        line.trim_end().to_owned()
    }

    /// Ends the call where it does not end by itself; what it says then.
    fn finish(&mut self) -> String {
        drop(self.child.stdin.take());
        self.line()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a timed call says that ended in time. Each dump may cost it what that dump took, which is
/// much where many programs share the machine; a call that begins anew also loses the time between
/// the dumps. The line is in the middle.
fn is_in_time(said: &str, dumping: Duration, between: Duration) -> bool {
    let late = said.strip_prefix("ok ").and_then(|late| late.parse().ok());
    late.is_some_and(|late| Duration::from_millis(late) <= dumping + between / 2)
}

fn assert_undisturbed(name: &'static str, dump: &dyn Fn(u32)) {
    let timed = name.ends_with("-timed") || name.contains("nanosleep");
    let mut victim = Waiting::start(name);
    let start = Instant::now();
    let (mut dumping, mut between) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..TIMES {
        let begin = Instant::now();
        if timed && begin - start > TIMED / 2 {
            // A slow machine: the call must not end during a dump.
            break;
        }
        if let Ok(Some(_)) = victim.child.try_wait() {
            panic!("{name} ended early: {}", victim.line());
        }
        dump(victim.child.id());
        dumping += begin.elapsed();
        if timed {
            std::thread::sleep(APART);
            between += APART;
        }
    }
    let said = victim.finish();
    if timed {
        assert!(
            is_in_time(&said, dumping, between),
            "{name}: {said}, {dumping:?} of dumps, {between:?} between them"
        );
    } else {
        assert_eq!(said, "ok", "{name}");
    }
}

fn assert_all_undisturbed(names: &[&'static str], at_a_time: usize, dump: &(dyn Fn(u32) + Sync)) {
    let _terminals = Terminals::take();
    for names in names.chunks(at_a_time) {
        std::thread::scope(|scope| {
            for &name in names {
                scope.spawn(move || assert_undisturbed(name, dump));
            }
        });
    }
}

#[test]
fn every_call_goes_on_after_the_chain_of_states() {
    assert_all_undisturbed(&NAMES, AT_A_TIME, &|pid| {
        let status = Command::new(paths::victim("sweep-chain"))
            .arg(pid.to_string())
            .status();
        assert!(status.expect("the dumper starts").success());
    });
}

/// The dumper dies between the stop of the thread and all that it could do about it: the kernel lets
/// the thread go with what the call answers any stop.
#[test]
fn every_call_goes_on_when_the_dumper_dies_right_after_the_stop() {
    // Who takes the thread over needs a processor to itself for a moment.
    assert_all_undisturbed(&NAMES, 1, &|pid| {
        let status = Command::new(paths::victim("sweep-stop"))
            .arg(pid.to_string())
            .status();
        let signal = status.expect("the dumper starts").signal();
        assert_eq!(signal, Some(libc::SIGKILL));
        wait_for("the thread to be let go", || is_let_go(pid).then_some(()));
    });
}

fn is_let_go(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| status.contains("TracerPid:\t0\n"))
}

#[test]
fn every_call_goes_on_after_a_dump() {
    assert_all_undisturbed(&NAMES, AT_A_TIME, &|pid| {
        let images = tempfile::tempdir().expect("a temporary directory");
        let done = Dumper::Commensal.run(pid, images.path(), Then::Resume, &[]);
        done.unwrap_or_else(|failure| panic!("{}", failure.message));
    });
}
