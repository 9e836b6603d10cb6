//! The record against what the task says of itself.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use commensal_daemonized::{Daemonized, Questions};
use commensal_infected::Infected;
use commensal_seized::Seized;
use commensal_sys::Pid;
use zerocopy::IntoBytes;

use super::*;
use crate::mm::read_auxiliary_vector;
use crate::records::Records;

/// Has a bit of everything, and what only it can tell once it is asked for that.
const PROGRAM: &str = "
import ctypes, os, resource, signal, sys
libc = ctypes.CDLL(None)
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.siginterrupt(signal.SIGUSR1, False)
resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))
assert libc.prctl(36, 1, 0, 0, 0) == 0
assert libc.personality(0x0400000) == 0
open('/proc/self/oom_score_adj', 'w').write('17')
os.set_inheritable(os.open('/dev/null', os.O_RDONLY), True)
os.open('/dev/zero', os.O_RDONLY)
def more(what):
    if what == b'p':
        assert libc.syscall(222, 1, 0, ctypes.byref(ctypes.c_int())) == 0
    if what == b't':
        signal.setitimer(signal.ITIMER_REAL, 86400)
    if what == b'v':
        signal.setitimer(signal.ITIMER_VIRTUAL, 86400)
    if what == b'm':
        assert libc.syscall(324, 16, 0, 0) == 0
    if what == b'h':
        assert libc.prctl(41, 1, 0, 0, 0) == 0
    if what == b'e':
        libc.prctl(41, 1, 2, 0, 0)
    if what == b'd':
        assert libc.prctl(4, 0, 0, 0, 0) == 0
while True:
    os.write(1, b'.')
    more(os.read(0, 1))";

struct Program {
    child: Child,
    pid: Pid,
    records: Records,
}

impl Program {
    /// Starts it; `None` without the right to read records.
    fn start() -> Option<Self> {
        let mut child = Command::new("python3")
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait(&mut child);
        let pid = Pid::new(child.id() as i32).unwrap();
        let records = Records::ready(&[pid]);
        let program = Self {
            child,
            pid,
            records,
        };
        program.records.own.is_some().then_some(program)
    }

    fn ask_for(&mut self, what: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(what).unwrap();
        wait(&mut self.child);
    }

    fn record(&mut self) -> Option<Task> {
        self.records.read(self.pid);
        self.records.task(self.pid).1
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Until the program has done what it was asked for.
fn wait(child: &mut Child) {
    let stdout = child.stdout.as_mut().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
}

#[test]
fn the_record_says_what_the_task_says() {
    let Some(mut program) = Program::start() else {
        return;
    };
    for what in [b".", b"d", b"h", b"e"] {
        program.ask_for(what);
        let seized = Seized::seize(program.pid).unwrap();
        let record = program.record().unwrap();
        let status = Status::of_task(program.pid).unwrap();
        let Some(record) = record.confirmed(&status) else {
            // Huge pages but where they are advised, which /proc does not tell (since Linux 6.18).
            assert_eq!(what, b"e");
            continue;
        };
        let mut daemon = Daemonized::daemonize(Infected::infect(seized).unwrap()).unwrap();
        let asked = daemon
            .survey(Questions {
                posix_timers: &[],
                descriptors: status.fd_size,
            })
            .unwrap();
        let plain = Plain::read(program.pid).unwrap();
        assert_eq!((plain.personality, plain.oom_score_adj), (0x0400000, 17));
        assert_eq!(record.plain(), Some(plain));
        let vector = read_auxiliary_vector(program.pid).unwrap();
        assert!(vector.len() > 20);
        assert_eq!(record.auxiliary_vector(), vector);
        assert_eq!(record.info().as_bytes(), asked.task.as_bytes());
        let open = asked.descriptors.unwrap().into_iter();
        let open: Vec<_> = open.map(|open| (open.number, open.cloexec)).collect();
        assert!(open.len() >= 5);
        let told = record.open().unwrap().into_iter();
        assert_eq!(
            told.map(|told| (told.fd, told.cloexec)).collect::<Vec<_>>(),
            open
        );
        drop(daemon);
    }
}

#[test]
fn what_only_the_task_can_tell_is_left_to_it() {
    for what in [b"t", b"v", b"m"] {
        let Some(mut program) = Program::start() else {
            return;
        };
        assert!(program.record().is_some());
        program.ask_for(what);
        assert!(program.record().is_none(), "{what:?}");
    }
}

#[test]
fn of_posix_timers_a_record_says_nothing() {
    let Some(mut program) = Program::start() else {
        return;
    };
    program.ask_for(b"p");
    assert_eq!(program.record().unwrap().plain(), None);
}

#[test]
fn a_record_that_says_something_else_is_not_believed() {
    let Some(mut program) = Program::start() else {
        return;
    };
    let status = Status::of_task(program.pid).unwrap();
    let mut believed = |change: fn(&mut Status)| {
        let mut said = status.clone();
        change(&mut said);
        program.record().unwrap().confirmed(&said).is_some()
    };
    assert!(believed(|_| ()));
    assert!(!believed(|said| said.ignored ^= 1));
    assert!(!believed(|said| said.caught ^= 1 << 20));
    assert!(!believed(|said| said.fd_size *= 2));
    assert!(!believed(|said| said.huge_pages_are_disabled = true));
}
