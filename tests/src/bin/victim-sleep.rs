//! One thread that sleeps.

use std::time::Duration;

use commensal_tests::victim::{Rounds, sleep};

fn main() {
    let mut rounds = Rounds::default();
    loop {
        sleep(Duration::from_millis(30));
        rounds.done();
    }
}
