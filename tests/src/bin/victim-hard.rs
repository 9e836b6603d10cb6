//! `victim-hard STATE`: enters a state that is hard on a dumper, says `ready`, and then echoes
//! what it reads, byte by byte.

use std::time::Duration;

use commensal_tests::victim::hard;
use rustix::stdio::{stdin, stdout};

fn main() {
    let state = std::env::args().nth(1).unwrap_or_default();
    match state.as_str() {
        "ended-leader" => hard::end_main_thread(|| serve()),
        "held-by-a-child" => {
            std::thread::spawn(|| serve());
            hard::held_by_a_child(Duration::from_secs(25));
        }
        "left-stack" => hard::leave_stack(serve, 0),
        // More than a stack has at first, so that all of it is in use.
        "left-stack-of-zeros" => hard::leave_stack(serve, 512 * 1024),
        "thread-storm" => hard::thread_storm(),
        "fighter" => hard::start_fighter(),
        _ => hard::enter(&state, &[]),
    }
    serve();
}

/// Nothing but read(2) and write(2), for strict mode's sake.
fn serve() -> ! {
    rustix::io::write(stdout(), b"ready\n").expect("who started it listens");
    let mut byte = [0];
    while rustix::io::read(stdin(), &mut byte) == Ok(1) {
        rustix::io::write(stdout(), &byte).expect("who started it listens");
    }
    std::process::exit(0);
}
