//! The records against what the threads say of themselves, and what is said of them.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use commensal_daemonized::{Daemonized, Questions};
use commensal_infected::Infected;
use commensal_seized::Seized;

use super::*;
use crate::records::Records;
use crate::task::registers;

/// Each thread has a name of its own, and a signal for its parent's death, an alternate stack, a
/// pending signal, no new privileges, a user of its own, an entry of the GDT, or none of these.
const PROGRAM: &str = "
import ctypes, os, signal, threading, time
libc = ctypes.CDLL(None)
class Stack(ctypes.Structure):
    _fields_ = [('sp', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t)]
ready = threading.Barrier(40)
def run(n):
    memory = ctypes.create_string_buffer(16384)
    assert libc.prctl(15, b'thread number %d' % n, 0, 0, 0) == 0
    if n % 9 == 0:
        assert libc.prctl(1, n + 1, 0, 0, 0) == 0
    if n % 9 == 1:
        flags = ctypes.c_int(-0x80000000 if n % 2 else 0)
        stack = Stack(ctypes.addressof(memory), flags, 16384)
        assert libc.sigaltstack(ctypes.byref(stack), None) == 0
    if n % 9 == 2:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    if n % 9 == 3:
        assert libc.prctl(38, 1, 0, 0, 0) == 0
    if n % 9 == 4 and os.getuid() == 0:
        assert libc.syscall(117, 0, 1234, 0) == 0
    if n % 9 == 5:
        area = (ctypes.c_uint32 * 4)(12, 0x1000, 0xfffff, 0b101_0001)
        assert libc.syscall(205, ctypes.byref(area)) in (0, -1)
    ready.wait()
    time.sleep(1000)
for n in range(39):
    threading.Thread(target=run, args=(n,), daemon=True).start()
ready.wait()
print(end='.', flush=True)
time.sleep(1000)";

/// The program when all of its threads are ready; and the right to read records, or `None`.
fn start() -> (Child, Pid, Option<Records>) {
    let mut child = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0];
    let stdout = child.stdout.as_mut().unwrap();
    stdout.read_exact(&mut ready).unwrap();
    let pid = Pid::new(child.id() as i32).unwrap();
    let records = Records::ready(&[pid]);
    let some = records.threads(pid).is_some().then_some(records);
    (child, pid, some)
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_records_say_of_each_thread_what_it_says_itself() {
    let (child, pid, records) = start();
    let seized = Seized::seize(pid).unwrap();
    let mut daemon = Daemonized::daemonize(Infected::infect(seized).unwrap()).unwrap();
    let own = daemon.survey(Questions::default()).unwrap().thread;
    let mut infected = daemon.stop().unwrap();
    let asked = infected.other_thread_infos().unwrap();
    let tids: Vec<Tid> = asked
        .iter()
        .map(|info| Tid::new(info.tid).unwrap())
        .collect();
    assert_eq!(asked.len(), 39);
    if let Some(records) = records {
        let threads = records.threads(pid).unwrap();
        let known = threads.known(&own, &tids).unwrap();
        let told: Vec<ThreadInfo> = known.iter().map(|known| known.info).collect();
        assert_eq!(told, asked);
        // A thread that says something else of itself is not believed, nor are the records.
        let other = ThreadInfo {
            pdeath_sig: 1,
            ..own
        };
        assert!(threads.known(&other, &tids).is_none());
    }
    drop(infected);
    end(child);
}

#[test]
fn the_records_give_the_status_of_each_thread_that_is_like_its_leader() {
    let (child, pid, records) = start();
    let seized = Seized::seize(pid).unwrap();
    if let Some(records) = records {
        let leader = Status::of_thread(pid, pid.leader()).unwrap();
        let threads = records.threads(pid).unwrap();
        let threads = threads.confirmed(&leader, false).unwrap();
        let (mut like, mut unlike) = (0, 0);
        for thread in seized.threads() {
            let tid = thread.tid();
            let read = Status::of_thread(pid, tid).unwrap();
            match threads.status(tid, &leader) {
                Some(status) => {
                    assert_eq!(status, read);
                    like += 1;
                }
                None => {
                    let differs = read.pending != 0
                        || read.no_new_privs != leader.no_new_privs
                        || read.uid != leader.uid;
                    assert!(differs, "{read:?}");
                    unlike += 1;
                }
            }
            let areas = registers::has_thread_areas(tid).unwrap();
            assert_eq!(threads.has_no_areas(tid), !areas);
        }
        // Five have a pending signal, four no new privileges.
        let own_user = if leader.uid[0] == crate::userns::Uid::told(0) {
            4
        } else {
            0
        };
        assert_eq!((like, unlike), (40 - 9 - own_user, 9 + own_user));
    }
    seized.release().unwrap();
    end(child);
}

#[test]
fn records_that_are_wrong_about_the_leader_are_not_believed() {
    let (child, pid, records) = start();
    let seized = Seized::seize(pid).unwrap();
    if let Some(records) = records {
        let leader = Status::of_thread(pid, pid.leader()).unwrap();
        let believed = |change: fn(&mut Status), areas| {
            let mut said = leader.clone();
            change(&mut said);
            let threads = records.threads(pid).unwrap();
            threads.confirmed(&said, areas).is_some()
        };
        assert!(believed(|_| (), false));
        assert!(!believed(|_| (), true));
        assert!(!believed(|said| said.comm = b"other".to_vec(), false));
        assert!(!believed(|said| said.pending = 1, false));
        assert!(!believed(|said| said.seccomp = 2, false));
        let nested = Status {
            pid_namespaces: 2,
            ..leader.clone()
        };
        let threads = records.threads(pid).unwrap();
        assert!(threads.status(seized.threads()[1].tid(), &leader).is_some());
        assert!(threads.status(seized.threads()[1].tid(), &nested).is_none());
    }
    seized.release().unwrap();
    end(child);
}
