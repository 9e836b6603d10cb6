//! Sockets: what is in them, who is connected to whom and how they are set live through a dump
//! and a restore with stock CRIU, and through dumps with resume.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use commensal_tests::harness::{
    Dumper, Program, Target, Then, assert_refused, assert_resumes_with, assert_survives, paths,
    process, wait_for,
};
use commensal_tests::judge_or_skip;
use commensal_tests::sweep::{End, Killer};

const ESTABLISHED: &[&str] = &["--tcp-established"];

/// A script of `tests/programs/sockets`.
fn sockets(family: &str, kind: &str) -> Program {
    Program::script("python3", &format!("sockets/{family}.py"))
        .arg(kind)
        .restless()
}

/// Through a restore, and through five dumps with resume.
fn lives_through(family: &str, kind: &str, arguments: &[&str]) {
    assert_resumes_with(&sockets(family, kind), 5, arguments);
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&sockets(family, kind));
    assert_survives(judge, &target, arguments, arguments);
}

macro_rules! live_through {
    ($($test:ident: $family:literal $kind:literal $arguments:expr;)*) => {
        $(#[test]
        fn $test() {
            lives_through($family, $kind, $arguments);
        })*
    };
}

live_through! {
    unix_streams_with_bytes_unread: "unix" "stream" &[];
    unix_datagrams_unread_and_empty: "unix" "dgram" &[];
    unix_seqpackets_unread_and_empty: "unix" "seqpacket" &[];
    unix_descriptors_in_flight: "unix" "rights" &[];
    unix_half_shut: "unix" "half-shut" &[];
    unix_names: "unix" "names" &[];
    unix_connections_not_yet_accepted: "unix" "waiting" &[];
    unix_options: "unix" "options" &[];
    tcp_established: "inet" "connections" ESTABLISHED;
    tcp_half_closed: "inet" "half-closed" ESTABLISHED;
    tcp_unconnected: "inet" "unconnected" &[];
    udp: "inet" "udp" &[];
    raw: "inet" "raw" &[];
    filters: "inet" "filtered" &[];
    netlink: "other" "netlink" &[];
    packet: "other" "packet" &[];
}

/// A server that sends back what it gets, until the other end is gone.
fn echo() -> (u16, JoinHandle<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the victim connects");
        let mut buffer = vec![0; 1 << 16];
        let mut echoed = 0;
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..length]).is_err() {
                break;
            }
            echoed += length as u64;
        }
        echoed
    });
    (port, served)
}

fn client(port: u16) -> Program {
    sockets("inet", "client").arg(port.to_string())
}

#[test]
fn a_connection_to_the_outside_goes_on_after_a_restore() {
    let judge = judge_or_skip!();
    let (port, served) = echo();
    let target = Target::spawn_for_restore(&client(port));
    assert_survives(judge, &target, ESTABLISHED, ESTABLISHED);
    drop(target);
    assert!(served.join().expect("the server ends by itself") > 0);
}

/// What CRIU's command line leaves stopped is restored when it is gone, with its connection as it
/// was.
#[test]
fn a_connection_of_a_stopped_tree_goes_on_after_a_restore() {
    let judge = judge_or_skip!();
    let (port, served) = echo();
    let target = Target::spawn_for_restore(&client(port));
    let images = target.images_dir("images");
    let dumped = Command::new(paths::commensal())
        .args([
            "criu",
            "dump",
            "--no-default-config",
            "--leave-stopped",
            "-t",
        ])
        .arg(target.pid().to_string())
        .arg("-D")
        .arg(&images)
        .args(ESTABLISHED)
        .output()
        .expect("the dumper starts");
    assert!(dumped.status.success(), "the dump failed: {dumped:?}");
    wait_for("a stopped target", || {
        let stat = process::stat(target.pid()).expect("it lives");
        (stat.state == 'T').then_some(())
    });
    process::signal(target.pid(), rustix::process::Signal::KILL);
    target.wait_gone();
    let restored = judge.restore_with(&images, ESTABLISHED);
    let restored = restored.unwrap_or_else(|error| panic!("{error}"));
    target.wait_rounds(3);
    drop((restored, target));
    assert!(served.join().expect("the server ends by itself") > 0);
}

#[test]
fn a_connection_to_the_outside_goes_on_through_ten_dumps() {
    let (port, _served) = echo();
    assert_resumes_with(&client(port), 10, ESTABLISHED);
}

#[test]
fn a_connection_is_refused_unless_asked_for() {
    let (port, _served) = echo();
    assert_refused(&client(port), &[], "a connected TCP socket");
}

#[test]
fn sockets_that_cannot_be_saved_are_refused_by_name() {
    for (kind, name) in [
        ("timer-alone", "a socket with a timerfd in flight"),
        ("credentials", "the sender's credentials (SCM_CREDENTIALS)"),
        (
            "senders",
            "a unix datagram socket whose unread messages are not all from one socket",
        ),
        (
            "outside",
            "a unix socket connected to one outside of the tree",
        ),
    ] {
        assert_refused(&sockets("unix", kind), &[], name);
    }
    for (kind, name) in [
        ("corked", "a corked UDP socket"),
        (
            "in-flight",
            "a listening TCP socket with 1 connections in flight",
        ),
        ("mptcp", "a multipath TCP socket"),
        ("multicast", "a member of the multicast group 239.9.8.7"),
        ("multicast6", "a member of the multicast group ff02::9:8:7"),
    ] {
        assert_refused(&sockets("inet", kind), ESTABLISHED, name);
    }
    for (kind, name) in [
        ("unread", "a netlink socket with unread messages"),
        ("vsock", "a vsock socket (AF_VSOCK)"),
    ] {
        assert_refused(&sockets("other", kind), &[], name);
    }
}

/// The peer of a killed tree hears nothing of its end: no FIN, no reset.
#[test]
fn the_peer_of_a_killed_tree_is_not_told() {
    let judge = judge_or_skip!();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    let killed = Arc::new(AtomicBool::new(false));
    let told = killed.clone();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the victim connects");
        serve_until_silent(&mut stream, &told);
        stream
    });
    let target = Target::spawn(&client(port));
    let images = target.images_dir("images");
    Dumper::chosen()
        .run(target.pid(), &images, Then::Kill, ESTABLISHED)
        .unwrap_or_else(|failure| panic!("the dump failed: {}", failure.message));
    target.wait_gone();
    killed.store(true, Ordering::Relaxed);
    let _stream = peer.join().expect("the peer was told");
    // The restore takes the lock away, so that nothing of this stays behind.
    let restored = judge.restore_with(&images, ESTABLISHED);
    restored.unwrap_or_else(|error| panic!("{error}"));
}

/// Sends back what comes, until the other end was killed and then a second goes by without data,
/// an end or an error.
fn serve_until_silent(stream: &mut TcpStream, killed: &AtomicBool) {
    let second = std::time::Duration::from_secs(1);
    stream.set_read_timeout(Some(second)).expect("a timeout");
    let mut buffer = vec![0; 1 << 16];
    loop {
        let was_killed = killed.load(Ordering::Relaxed);
        match stream.read(&mut buffer) {
            Ok(0) => panic!("the connection was closed"),
            Ok(length) => stream
                .write_all(&buffer[..length])
                .expect("the victim reads"),
            Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
            Err(_) if was_killed => return,
            Err(_) => {}
        }
    }
}

/// Kills the dumper at a sample of its system call stops: a moment later no connection is in repair
/// mode or cut off, no queue with another peek offset, no table of ours in the firewall.
fn survives_its_dumper(program: &Program, arguments: &[&str], first: usize, step: usize) {
    let target = Target::spawn(program);
    let mut killer = Killer::best();
    let mut killed = 0;
    for point in (first..).step_by(step) {
        let images = target.images_dir(&format!("images-{point}"));
        let mut command = Dumper::chosen().command(target.pid(), &images, Then::Resume);
        command.args(arguments);
        let end = killer.kill_at(&command, point);
        target.wait_rounds(2);
        if let End::Finished { status, .. } = end {
            assert_eq!(status, 0, "the dumper that was let finish fails");
            break;
        }
        killed += 1;
    }
    assert!(killed > 5, "a sample of {killed}");
    let tables = Command::new("nft").args(["list", "tables"]).output();
    let tables = tables.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(!tables.unwrap_or_default().contains("commensal"));
}

#[test]
fn a_connection_survives_the_dumper() {
    let (port, _served) = echo();
    survives_its_dumper(&client(port).arg("patient"), ESTABLISHED, 700, 41);
}

#[test]
fn a_queue_survives_the_dumper() {
    survives_its_dumper(&sockets("unix", "dgram"), &[], 500, 53);
}
