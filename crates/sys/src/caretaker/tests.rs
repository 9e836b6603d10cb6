use super::*;
use linux_raw_sys::net::{SO_PEEK_OFF, SOL_SOCKET};
use std::ffi::CString;
use std::os::unix::net::UnixDatagram;

const PEEK_OFF: SockOpt = SockOpt::new(SOL_SOCKET, SO_PEEK_OFF);

fn start() -> Caretaker {
    Caretaker::start(|_, _| {}).unwrap()
}

#[test]
fn what_is_open_when_the_socket_closes_is_undone() {
    let (open, settled) = UnixDatagram::pair().unwrap();
    let caretaker = start();
    let _undone = caretaker.will_set(&open, PEEK_OFF, -1).unwrap();
    let kept = caretaker.will_set(&settled, PEEK_OFF, -1).unwrap();
    sockopt::set(&open, PEEK_OFF, &5i32).unwrap();
    sockopt::set(&settled, PEEK_OFF, &5i32).unwrap();
    caretaker.settle(kept).unwrap();
    drop(caretaker);
    assert_eq!(sockopt::get::<i32>(&open, PEEK_OFF), Ok(-1));
    assert_eq!(sockopt::get::<i32>(&settled, PEEK_OFF), Ok(5));
}

#[test]
fn nothing_is_undone_where_all_is_settled() {
    let (sock, _peer) = UnixDatagram::pair().unwrap();
    let caretaker = start();
    let _open = caretaker.will_set(&sock, PEEK_OFF, -1).unwrap();
    sockopt::set(&sock, PEEK_OFF, &5i32).unwrap();
    caretaker.settle_all().unwrap();
    drop(caretaker);
    assert_eq!(sockopt::get::<i32>(&sock, PEEK_OFF), Ok(5));
}

#[test]
fn last_commands_run_when_we_die_and_not_where_they_are_cancelled() {
    let dir = std::env::temp_dir().join(format!("caretaker-{}", std::process::id()));
    let path = dir.to_str().unwrap();
    let command = CString::new(format!("echo done >> {path}")).unwrap();
    let caretaker = start();
    let cancelled = caretaker.will_run(&command).unwrap();
    caretaker.cancel(cancelled);
    drop(caretaker);
    assert!(!dir.exists());
    let caretaker = start();
    let _first = caretaker.will_run(&command).unwrap();
    let _second = caretaker.will_run(&command).unwrap();
    drop(caretaker);
    assert_eq!(std::fs::read_to_string(&dir).unwrap(), "done\ndone\n");
    std::fs::remove_file(&dir).unwrap();
}

#[test]
fn it_holds_the_thread_that_it_belongs_to() {
    let caretaker = start();
    caretaker.wait_until_ready().unwrap();
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    assert!(status.contains(&format!("TracerPid:\t{}\n", caretaker.pid)));
}

#[test]
fn who_lives_keeps_the_threads_that_it_was_stopping() {
    let before = crate::sched::priority(None).unwrap();
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let caretaker = start();
    let tid = Tid::new(child.id() as i32).unwrap();
    caretaker.stops().unwrap().begin(tid, false);
    drop(caretaker);
    child.kill().unwrap();
    child.wait().unwrap();
    // To let its parent end, it would have hurried it.
    assert_eq!(crate::sched::priority(None), Ok(before));
}
