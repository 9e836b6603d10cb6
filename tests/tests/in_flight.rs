//! Descriptors that only the queue of a unix socket holds: no task has them open.

use commensal_tests::harness::{
    Program, Target, Terminals, assert_refused, assert_resumes_with, assert_survives,
};
use commensal_tests::judge_or_skip;

const CONNECTED: &[&str] = &["--tcp-established"];

fn in_flight(kind: &str) -> Program {
    Program::script("python3", "sockets/in_flight.py")
        .arg(kind)
        .restless()
}

/// Through a dump with resume, and through a restore.
fn lives_through(kind: &str) {
    assert_resumes_with(&in_flight(kind), 1, &[]);
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&in_flight(kind));
    assert_survives(judge, &target, &[], &[]);
}

macro_rules! live_through {
    ($($test:ident: $kind:literal;)*) => {
        $(#[test]
        fn $test() {
            lives_through($kind);
        })*
    };
}

live_through! {
    an_eventfd: "eventfd";
    a_signalfd: "signalfd";
    a_fanotify: "fanotify";
    a_pidfd: "pidfd";
    an_epoll: "epoll";
    a_memfd: "memfd";
    a_deleted_file: "gone";
    a_fifo: "fifo";
    a_listening_socket: "listening";
    a_udp_socket: "udp";
    a_netlink_socket: "netlink";
    a_packet_socket: "packet";
    a_namespace: "namespace";
    an_end_of_a_stream: "end-stream";
    an_end_of_datagrams: "end-dgram";
    an_end_of_seqpackets: "end-seqpacket";
    both_ends_of_a_stream: "both-stream";
    both_ends_of_datagrams: "both-dgram";
    both_ends_of_seqpackets: "both-seqpacket";
    pairs_in_pairs: "nested";
    a_socket_with_a_name: "bound";
}

/// Its slave is open in the task.
#[test]
fn the_master_of_a_pty() {
    let _terminals = Terminals::take();
    lives_through("master");
}

/// The restore completes these under the number that a task has them open by, or before it has
/// given them any.
#[test]
fn what_a_restore_cannot_set_up_is_refused_by_name() {
    for (kind, name) in [
        ("timerfd", "a timerfd in flight"),
        ("inotify", "an inotify instance in flight"),
        ("connected", "a TCP connection in flight"),
        (
            "unconnected",
            "another unix socket, which nothing is connected to, in flight",
        ),
    ] {
        assert_refused(&in_flight(kind), CONNECTED, name);
    }
}
