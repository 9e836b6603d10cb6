//! A task that answers as long as it lives, and the ways to enter it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use commensal_tests::harness::{paths, process};
use rustix::process::Pid;

/// A victim that echoes what it is told.
pub struct Victim {
    pub child: Child,
    output: BufReader<ChildStdout>,
}

impl Victim {
    /// In one of the states of `victim-hard`.
    pub fn start(state: &str) -> Self {
        Self::of(Command::new(paths::victim("victim-hard")).arg(state))
    }

    /// A program of one's own.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the victim starts");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut victim = Self { child, output };
        let mut line = String::new();
        victim
            .output
            .read_line(&mut line)
            .expect("its output is text");
        assert_eq!(line, "ready\n");
        victim
    }

    /// Its first task.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// It still answers.
    pub fn assert_alive(&mut self, when: &str) {
        let stdin = self.child.stdin.as_mut().expect("its input is piped");
        stdin
            .write_all(b"?")
            .unwrap_or_else(|error| panic!("{when}: {error}"));
        let mut answer = [0];
        self.output
            .read_exact(&mut answer)
            .unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_eq!(&answer, b"?", "{when}");
    }

    /// A line of its status.
    pub fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it is there");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.expect("the field is there").trim().to_owned()
    }

    /// Its mappings.
    pub fn maps(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/maps", self.child.id())).expect("it is there")
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        process::kill_tree(self.child.id());
        let _ = self.child.wait();
    }
}

/// The whole chain of states, in a process of its own.
pub fn chain(victim: &Victim) -> Output {
    let mut command = Command::new(paths::victim("sweep-chain"));
    command
        .arg(victim.child.id().to_string())
        .output()
        .expect("the dumper starts")
}

/// Its error, which there must be.
pub fn refusal(victim: &Victim) -> String {
    let output = chain(victim);
    assert!(!output.status.success(), "it was entered");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A task in this state can be entered again and again, and nothing of it stays.
pub fn assert_entered(state: &str) {
    let mut victim = Victim::start(state);
    for _ in 0..3 {
        assert_unnoticed(&mut victim, state, chain);
    }
}

/// The victim, which `state` names, is as it was after a dump, which must succeed.
pub fn assert_unnoticed(victim: &mut Victim, state: &str, dump: impl FnOnce(&Victim) -> Output) {
    let before = victim.maps();
    let output = dump(victim);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{state}: {message}");
    victim.assert_alive(state);
    assert_eq!(victim.maps(), before, "{state}");
}

/// A task in this state is not entered, for this reason, and left as it was.
pub fn assert_refused(state: &str, reason: &str) {
    let mut victim = Victim::start(state);
    let before = victim.maps();
    let message = refusal(&victim);
    assert!(message.contains(reason), "{state}: {message}");
    assert_eq!(victim.status("TracerPid:"), "0");
    assert_eq!(victim.maps(), before, "{state}");
    victim.assert_alive(state);
}
