//! Dumps a tree: `cargo run --example dump PID DIR` writes the images of task
//! PID and its descendants into DIR. The tree runs on.

use std::error::Error;

use commensal::Pid;
use commensal::dump::{Options, Summary, dump};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(pid), Some(dir)) = (args.next(), args.next()) else {
        return Err("usage: dump PID DIR".into());
    };
    let pid = Pid::new(pid.parse()?).ok_or("a pid is positive")?;

    let options = Options {
        // A program that was started from a shell is part of its session.
        shell_job: true,
        ..Options::new(&dir)
    };
    let summary: Summary = dump(pid, &options, &())?;

    println!(
        "{} tasks, {} threads: {} pages in {dir}, stopped for {:?}",
        summary.tasks, summary.threads, summary.pages_written, summary.frozen
    );
    Ok(())
}
