//! `tracer PID`: traces a task, says `tracing`, and lets it go when its standard input ends.

use std::io::Read;

use commensal_tests::victim::raw::seize;

fn main() -> std::io::Result<()> {
    let pid = std::env::args().nth(1).and_then(|text| text.parse().ok());
    seize(pid.expect("usage: tracer PID"))?;
    println!("tracing");
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
