//! Threads in every kind of wait and at work: live vector registers, futex with and without a
//! timeout, nanosleep, reads from a pipe. Each counts what it did; a call that is interrupted
//! is a fault.

use std::io::PipeWriter;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use commensal_tests::victim::{Rounds, check, fault, interrupted, sleep, vector};
use rustix::io::Errno;
use rustix::thread::futex;

/// Per kind of thread.
const COUNT: usize = 2;

/// What the threads wait for, and how far they got.
#[derive(Default)]
struct Shared {
    bell: AtomicU32,
    never: AtomicU32,
    computed: AtomicU64,
    woken: AtomicU64,
    timed_out: AtomicU64,
    slept: AtomicU64,
    received: AtomicU64,
}

static SHARED: Shared = Shared {
    bell: AtomicU32::new(0),
    never: AtomicU32::new(0),
    computed: AtomicU64::new(0),
    woken: AtomicU64::new(0),
    timed_out: AtomicU64::new(0),
    slept: AtomicU64::new(0),
    received: AtomicU64::new(0),
};

fn compute() {
    let mut seed = 1;
    loop {
        check(vector::survives(seed), "vector registers changed");
        seed += 2;
        SHARED.computed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Wait for the main thread's bell, without a timeout.
fn wait_for_bell() {
    let mut heard = 0;
    loop {
        match futex::wait(&SHARED.bell, futex::Flags::PRIVATE, heard, None) {
            Ok(()) | Err(Errno::AGAIN) => {}
            Err(errno) => fault(&format!("futex: {errno}")),
        }
        let now = SHARED.bell.load(Ordering::Acquire);
        if now != heard {
            heard = now;
            SHARED.woken.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Wait for what never comes, until the time is over.
fn wait_in_vain() {
    let timeout = Duration::from_millis(70).try_into().expect("a short time");
    loop {
        match futex::wait(&SHARED.never, futex::Flags::PRIVATE, 0, Some(&timeout)) {
            Err(Errno::TIMEDOUT) => {
                SHARED.timed_out.fetch_add(1, Ordering::Relaxed);
            }
            Err(Errno::INTR) => interrupted("futex with a timeout"),
            other => fault(&format!("futex with a timeout: {other:?}")),
        }
    }
}

/// Wait for ever: only there to be dumped.
fn wait_for_ever() {
    let result = futex::wait(&SHARED.never, futex::Flags::PRIVATE, 0, None);
    fault(&format!("futex that nobody wakes: {result:?}"));
}

fn nap() {
    loop {
        sleep(Duration::from_millis(90));
        SHARED.slept.fetch_add(1, Ordering::Relaxed);
    }
}

/// Read what the main thread sends, a byte that counts up at a time.
fn receive(pipe: impl AsFd) {
    let mut expected = 0_u8;
    let mut byte = [0];
    loop {
        match rustix::io::read(&pipe, &mut byte) {
            Ok(1) => {}
            other => fault(&format!("read from a pipe: {other:?}")),
        }
        check(byte == [expected], "a pipe lost a byte");
        expected = expected.wrapping_add(1);
        SHARED.received.fetch_add(1, Ordering::Relaxed);
    }
}

fn start() -> Vec<PipeWriter> {
    for work in [
        compute as fn(),
        wait_for_bell,
        wait_in_vain,
        wait_for_ever,
        nap,
    ] {
        (0..COUNT).for_each(|_| drop(thread::spawn(work)));
    }
    let mut writers = Vec::new();
    for _ in 0..COUNT {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        thread::spawn(|| receive(reader));
        writers.push(writer);
    }
    writers
}

/// Every thread that can get on does, from one round to the next.
fn main() {
    let writers = start();
    let progress = [
        &SHARED.computed,
        &SHARED.woken,
        &SHARED.timed_out,
        &SHARED.slept,
    ];
    let mut rounds = Rounds::default();
    let mut sent = 0_u8;
    loop {
        let before = progress.map(|counter| counter.load(Ordering::Relaxed));
        SHARED.bell.fetch_add(1, Ordering::Release);
        futex::wake(&SHARED.bell, futex::Flags::PRIVATE, u32::MAX >> 1).expect("waking");
        for writer in &writers {
            check(
                rustix::io::write(writer, &[sent]) == Ok(1),
                "a pipe takes a byte",
            );
        }
        sent = sent.wrapping_add(1);
        let received = rounds_received(u64::from(rounds.count() as u32 + 1) * writers.len() as u64);
        check(received, "a byte did not arrive");
        while progress
            .iter()
            .zip(before)
            .any(|(counter, before)| counter.load(Ordering::Relaxed) == before)
        {
            sleep(Duration::from_millis(5));
        }
        rounds.done();
    }
}

/// Wait until so many bytes have arrived in all.
fn rounds_received(goal: u64) -> bool {
    while SHARED.received.load(Ordering::Relaxed) < goal {
        sleep(Duration::from_millis(1));
    }
    SHARED.received.load(Ordering::Relaxed) == goal
}
