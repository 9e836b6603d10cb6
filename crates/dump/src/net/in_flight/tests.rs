use commensal_images::messages::ScmEntry;
use linux_raw_sys::net::SOCK_STREAM;

use super::*;

/// A socket whose id is ten times its inode.
fn socket(kind: u32, ino: u32, peer: u32) -> UnixSkEntry {
    UnixSkEntry {
        id: ino * 10,
        ino,
        peer,
        r#type: kind,
        state: ESTABLISHED,
        ..UnixSkEntry::default()
    }
}

fn queue(id: u32, rights: &[u32]) -> Queue {
    let scm = ScmEntry {
        r#type: 1,
        rights: rights.to_vec(),
    };
    let entry = SkPacketEntry {
        id_for: id,
        length: 1,
        scm: vec![scm],
    };
    Queue {
        id,
        place: place(),
        messages: vec![(entry, vec![0])],
    }
}

fn place() -> Place {
    Place::Task {
        pid: crate::files::own_pid(),
    }
}

#[test]
fn a_pair_sends_to_itself_and_who_connects_first_to_the_others() {
    let entries = [
        socket(SOCK_STREAM, 1, 2),
        socket(SOCK_STREAM, 2, 1),
        socket(SOCK_DGRAM, 3, 0),
        socket(SOCK_DGRAM, 4, 3),
        socket(SOCK_DGRAM, 5, 3),
        socket(SOCK_STREAM, 6, 0),
    ];
    let senders = Senders::of_entries(&entries);
    let of = [10, 20, 30, 40].map(|id| senders.of(id));
    assert_eq!(of, [Some(20), Some(10), Some(40), None]);
    let made = [10, 20, 30, 40, 50, 60].map(|id| senders.makes_one_for(id));
    assert_eq!(made, [false, false, false, true, true, true]);
}

#[test]
fn a_queue_comes_behind_the_one_that_carries_its_sender() {
    let pairs = [(1, 2), (2, 1), (3, 4), (4, 3), (5, 6), (6, 5)];
    let entries = pairs.map(|(ino, peer)| socket(SOCK_STREAM, ino, peer));
    let senders = Senders::of_entries(&entries);
    let queues = vec![queue(50, &[7]), queue(30, &[50, 60]), queue(20, &[30, 40])];
    let in_flight = InFlight {
        found: Vec::new(),
        queues,
    };
    let ordered = in_flight.in_order(&senders, |id| id <= 20).unwrap();
    let ids: Vec<u32> = ordered.map(|(entry, _)| entry.id_for).collect();
    assert_eq!(ids, [20, 30, 50]);
}

#[test]
fn a_circle_and_sockets_without_a_sender_are_refused() {
    let entries = [
        socket(SOCK_STREAM, 1, 2),
        socket(SOCK_STREAM, 2, 1),
        socket(SOCK_DGRAM, 3, 0),
    ];
    let senders = Senders::of_entries(&entries);
    let found = [10, 30].map(|id| Found {
        id,
        kind: FdTypes::Unixsk,
        place: place(),
    });
    let in_flight = InFlight {
        found: found.into(),
        queues: vec![queue(20, &[10])],
    };
    let refused = in_flight.check(&senders, |_| false, |_| false);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("nothing is connected to"), "{refused}");
    let refused = in_flight.in_order(&senders, |_| false).err().unwrap();
    assert!(refused.to_string().contains("the only descriptor"));
}
