//! `victim-calls NAME`: makes one system call that waits, and says whether it went as it would
//! have undisturbed. Says `ready`, then `ok` or what went wrong; a call with a
//! timeout adds how many milliseconds too late it ended. A call without a timeout is
//! woken when standard input ends.

use std::io::Read;
use std::time::Instant;

use commensal_tests::victim::calls::{TIMED, block_signal, prepare};

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    block_signal();
    let waiting = prepare(&name).expect("usage: victim-calls NAME");
    let timed = waiting.wake.is_none();
    if let Some(wake) = waiting.wake {
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            wake();
        });
    }
    println!("ready");
    let start = Instant::now();
    let result = (waiting.call)();
    let lasted = start.elapsed();
    match result {
        Err(error) => println!("{error}"),
        Ok(()) if timed && lasted < TIMED => println!("early: {lasted:?}"),
        Ok(()) if timed => println!("ok {}", (lasted - TIMED).as_millis()),
        Ok(()) => println!("ok"),
    }
}
