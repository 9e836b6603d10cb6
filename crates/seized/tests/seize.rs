//! Seizing real processes.

use std::fs;
use std::process::{Child, Command, Stdio};

use commensal_seized::{Error, Pid, Seized};

const GETPID: u32 = 39;
const MMAP: u32 = 9;

/// A child that is killed and reaped at the end.
struct Target(Child);

impl Target {
    fn start(program: &str, args: &[&str]) -> Self {
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let target = Self(child);
        // The program itself has started when it sleeps in the kernel.
        while target.status("State:") != "S" {
            std::thread::yield_now();
        }
        target
    }

    fn pid(&self) -> Pid {
        Pid::new(self.0.id() as i32).unwrap()
    }

    fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .unwrap();
        line.split_ascii_whitespace().next().unwrap().to_owned()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_system_call_runs_inside_and_leaves_no_trace() {
    let target = Target::start("cat", &[]);
    let maps = || fs::read_to_string(format!("/proc/{}/maps", target.pid())).unwrap();
    let before = maps();
    let mut task = Seized::seize(target.pid()).unwrap();
    assert_eq!(target.status("State:"), "t");
    let leader = task.pid().leader();
    let registers = *task.thread(leader).unwrap().registers();
    let pid = task.syscall(leader, "getpid", GETPID, [0; 6]).unwrap();
    assert_eq!(pid, target.pid().get() as u64);
    let failed = task.syscall(leader, "mmap", MMAP, [0; 6]).unwrap_err();
    assert!(
        matches!(failed, Error::Remote { call: "mmap", .. }),
        "{failed}"
    );
    assert_eq!(*task.thread(leader).unwrap().registers(), registers);
    task.release().unwrap();
    assert_eq!(target.status("TracerPid:"), "0");
    assert_eq!(target.status("SigBlk:"), "0000000000000000");
    assert_eq!(maps(), before);
}

#[test]
fn what_is_traced_is_refused_and_what_is_gone_is_gone() {
    let target = Target::start("cat", &[]);
    let held = Seized::seize(target.pid()).unwrap();
    let second = std::thread::scope(|scope| {
        let pid = target.pid();
        scope
            .spawn(move || Seized::seize(pid).unwrap_err().to_string())
            .join()
            .unwrap()
    });
    assert!(second.contains("traced already"), "{second}");
    drop(held);
    assert_eq!(target.status("TracerPid:"), "0");
    let pid = target.pid();
    drop(target);
    assert!(Seized::seize(pid).unwrap_err().is_gone());
}

#[test]
fn a_sleep_of_one_second_sleeps_one_second_and_sees_no_error() {
    let script = "import time,sys\nt=time.monotonic()\ntime.sleep(1)\n\
                  print(time.monotonic()-t)";
    let output = Command::new("python3")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::new(output.id() as i32).unwrap();
    let in_sleep = || {
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        call.starts_with("230 ")
    };
    while !in_sleep() {
        std::thread::yield_now();
    }
    for _ in 0..5 {
        let mut task = Seized::seize(pid).unwrap();
        let leader = pid.leader();
        assert_eq!(
            task.syscall(leader, "getpid", GETPID, [0; 6]).unwrap(),
            pid.get() as u64
        );
        task.release().unwrap();
    }
    let output = output.wait_with_output().unwrap();
    assert!(output.status.success());
    let slept: f64 = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!((1.0..1.5).contains(&slept), "slept {slept} s");
}
