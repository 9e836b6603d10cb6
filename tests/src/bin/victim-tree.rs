//! Twenty processes: a ring of pipes between them, memory they share, and a zombie.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use commensal_tests::victim::raw::{Mapping, fork};
use commensal_tests::victim::{Rounds, check, fault, sleep};
use rustix::mm::MapFlags;
use rustix::pipe::pipe;
use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, waitid};

/// Living members of the ring, the root among them.
const MEMBERS: usize = 20;
/// How the zombie ended.
const LAST_WORDS: i32 = 7;

/// Its two ends of the ring.
struct Place {
    input: OwnedFd,
    output: OwnedFd,
}

fn main() {
    let shared = Mapping::anonymous(512, MapFlags::SHARED);
    let pipes: Vec<(OwnedFd, OwnedFd)> = (0..MEMBERS).map(|_| pipe().expect("a pipe")).collect();
    let (mut inputs, mut outputs): (Vec<_>, Vec<_>) =
        pipes.into_iter().map(|(r, w)| (Some(r), Some(w))).unzip();
    let mut place = |member: usize| Place {
        input: inputs[member].take().expect("each place is taken once"),
        output: outputs[(member + 1) % MEMBERS]
            .take()
            .expect("each place is taken once"),
    };
    let mine = place(0);
    let zombie = bury_alive();
    for member in 1..MEMBERS {
        let place = place(member);
        if fork().is_none() {
            // Half of them are in process groups of their own.
            if member % 2 == 0 {
                rustix::process::setpgid(None, None).expect("a group of its own");
            }
            drop((mine, inputs, outputs));
            pass_on(member, &place, &shared);
        }
    }
    drop((inputs, outputs));
    lead(&mine, &shared, zombie);
}

/// A child that ends at once and is never waited for.
fn bury_alive() -> Pid {
    match fork() {
        None => std::process::exit(LAST_WORDS),
        Some(pid) => Pid::from_raw(pid).expect("fork gives a pid"),
    }
}

/// Every other member: take the token, count it, pass it on.
fn pass_on(member: usize, place: &Place, shared: &Mapping) -> ! {
    let me = getpid();
    loop {
        let token = receive(place);
        let counter = &shared.counters()[member];
        check(
            counter.fetch_add(1, Ordering::SeqCst) + 1 == token,
            "shared memory lost a count",
        );
        check(getpid() == me, "the pid changed");
        send(place, token);
    }
}

/// The root: a token goes round once a round.
fn lead(place: &Place, shared: &Mapping, zombie: Pid) -> ! {
    let mut rounds = Rounds::default();
    loop {
        let token = rounds.count() + 1;
        send(place, token);
        check(receive(place) == token, "the token changed");
        let counters = &shared.counters()[1..MEMBERS];
        check(
            counters
                .iter()
                .all(|counter| counter.load(Ordering::SeqCst) == token),
            "a member did not count",
        );
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(zombie), options).ok().flatten();
        check(
            status.and_then(|status| status.exit_status()) == Some(LAST_WORDS),
            "the zombie is not as it was",
        );
        sleep(Duration::from_millis(20));
        rounds.done();
    }
}

fn send(place: &Place, token: u64) {
    let result = rustix::io::write(&place.output, &token.to_ne_bytes());
    check(result == Ok(8), "write to a pipe");
}

fn receive(place: &Place) -> u64 {
    let mut token = [0; 8];
    match rustix::io::read(&place.input, &mut token) {
        Ok(8) => u64::from_ne_bytes(token),
        other => fault(&format!("read from a pipe: {other:?}")),
    }
}
