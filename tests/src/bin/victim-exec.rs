//! Executes itself again and again: `victim-exec [ROUND]`.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use commensal_tests::victim::{fault, sleep};

fn main() {
    let round: u64 = std::env::args()
        .nth(1)
        .map_or(1, |text| text.parse().expect("a round"));
    println!("round {round}");
    sleep(Duration::from_millis(2));
    let program = std::env::current_exe().expect("its own path");
    let error = Command::new(program).arg((round + 1).to_string()).exec();
    fault(&format!("execve: {error}"));
}
