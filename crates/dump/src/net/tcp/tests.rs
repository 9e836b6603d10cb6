//! Connections over loopback, saved while they go on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use commensal_sys::pidfd::PidFd;

use super::*;
use crate::files::own_pid;

fn open(stream: &TcpStream) -> OpenFile {
    let task = PidFd::open(own_pid()).unwrap();
    OpenFile::of_task(
        &task,
        stream.as_raw_fd(),
        None,
        (&crate::pidns::Pids::OURS, &crate::userns::Users::OURS),
    )
    .unwrap()
}

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (ours, listener.accept().unwrap().0)
}

#[test]
fn a_connection_is_saved_and_goes_on() {
    let (mut ours, mut theirs) = connected();
    theirs.write_all(b"unread").unwrap();
    ours.peek(&mut [0]).unwrap();
    let (info, stream) = save(&open(&ours), &mut Changes::default()).unwrap();
    assert_eq!(info.state(), Some(State::Established));
    assert_eq!(stream.received, b"unread");
    assert_eq!(stream.entry.inq_len, 6);
    let repair: i32 = sockopt::get(&ours, REPAIR).unwrap();
    assert_eq!(repair, 0);
    ours.write_all(b"reply").unwrap();
    let mut reply = [0; 5];
    theirs.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"reply");
    let mut unread = [0; 6];
    ours.read_exact(&mut unread).unwrap();
    assert_eq!(&unread, b"unread");
}

#[test]
fn both_ends_agree_on_the_sequence_numbers() {
    let (mut ours, mut theirs) = connected();
    ours.write_all(b"to be acknowledged").unwrap();
    theirs.read_exact(&mut [0; 18]).unwrap();
    let mut changes = Changes::default();
    let (_, one) = save(&open(&ours), &mut changes).unwrap();
    let (_, other) = save(&open(&theirs), &mut changes).unwrap();
    assert_eq!(one.entry.outq_seq - one.entry.outq_len, other.entry.inq_seq);
    assert_eq!(other.entry.outq_seq, one.entry.inq_seq);
    assert_eq!(one.entry.snd_wscale, other.entry.rcv_wscale.unwrap());
}

#[test]
fn a_half_closed_connection_keeps_its_queue() {
    let (mut ours, mut theirs) = connected();
    theirs.write_all(b"last words").unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    // The FIN has arrived when reading behind the data would not block.
    let mut all = [0; 11];
    while ours.peek(&mut all).unwrap() < 10 {}
    let (info, stream) = save(&open(&ours), &mut Changes::default()).unwrap();
    assert!(matches!(
        info.state(),
        Some(State::Established | State::CloseWait)
    ));
    assert_eq!(stream.received, b"last words");
    let (info, stream) = save(&open(&theirs), &mut Changes::default()).unwrap();
    assert!(matches!(
        info.state(),
        Some(State::FinWait1 | State::FinWait2)
    ));
    assert_eq!(stream.entry.outq_len, stream.sent.len() as u32);
    let mut read = Vec::new();
    ours.read_to_end(&mut read).unwrap();
    assert_eq!(read, b"last words");
}

#[test]
fn reuse_survives_repair_mode() {
    let (ours, _theirs) = connected();
    sockopt::set(&ours, REUSE, &1i32).unwrap();
    save(&open(&ours), &mut Changes::default()).unwrap();
    assert_eq!(sockopt::get(&ours, REUSE), Ok(1i32));
}
