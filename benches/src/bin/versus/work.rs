//! How much less a busy target does while it is dumped.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::dumper::{Dumper, Program};
use crate::error::Error;
use crate::figures::{Figure, millis};
use crate::target::Target;

/// How long a target is watched before a dump and behind it.
const WATCHED: Duration = Duration::from_millis(700);

/// How much work was done by when.
struct Done {
    at: Instant,
    work: u64,
}

/// What a dump has cost a target.
struct Loss {
    frozen: Duration,
    /// What was not done of the work of so much time, beyond the frozen time.
    lost: Duration,
    /// The same as a part of the dump's time, in percent.
    percent: f64,
}

impl Done {
    fn now(target: &Target) -> Result<Self, Error> {
        let work = target.work()?;
        Ok(Self {
            at: Instant::now(),
            work,
        })
    }

    /// Units a second since then.
    fn rate(&self, since: &Self) -> f64 {
        let work = self.work.saturating_sub(since.work) as f64;
        work / (self.at - since.at).as_secs_f64()
    }
}

impl Loss {
    /// Of a dump that took `during` of a target that does this part of its usual work meanwhile.
    fn of(during: Duration, part: f64, frozen: Duration) -> Self {
        let lost = during.mul_f64((1.0 - part).max(0.0));
        let lost = lost.saturating_sub(frozen);
        Self {
            frozen,
            lost,
            percent: 100.0 * lost.as_secs_f64() / during.as_secs_f64(),
        }
    }
}

/// Dumps a busy target with both programs, pair by pair, and prints what it lost.
pub fn compare(programs: &[Program; 2], rounds: usize) -> Result<(), Error> {
    let case = Case::busy();
    eprintln!("{}", case.name());
    let target = Target::start(&case)?;
    let mut losses = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (program, losses) in programs.iter().zip(&mut losses) {
            let loss = measure(program, &target)?;
            if round > 0 {
                losses.push(loss);
            }
        }
    }
    println!(
        "\n| {} | frozen | work lost beyond that | of the dump's time |",
        case.name()
    );
    println!("|---|---|---|---|");
    for (program, losses) in programs.iter().zip(&losses) {
        let name = match program.dumper {
            Dumper::Commensal => "commensal, pre-copied",
            Dumper::Criu => "CRIU",
        };
        let frozen = Figure::of(losses.iter().map(|loss| millis(loss.frozen)));
        let lost = Figure::of(losses.iter().map(|loss| millis(loss.lost)));
        let percent = Figure::of(losses.iter().map(|loss| loss.percent));
        println!("| {name} | {frozen} ms | {lost} ms | {percent} % |");
    }
    Ok(())
}

/// The usual rate is that before the dump and behind it: what others do on the machine changes it.
fn measure(program: &Program, target: &Target) -> Result<Loss, Error> {
    let before = Done::now(target)?;
    sleep(WATCHED);
    let start = Done::now(target)?;
    let cost = program.dump(target)?;
    let end = Done::now(target)?;
    sleep(WATCHED);
    let after = Done::now(target)?;
    let usual = f64::midpoint(start.rate(&before), after.rate(&end));
    let part = end.rate(&start) / usual;
    Ok(Loss::of(end.at - start.at, part, cost.frozen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_beyond_the_frozen_time() {
        let (during, frozen) = (Duration::from_millis(1000), Duration::from_millis(100));
        let loss = Loss::of(during, 0.85, frozen);
        assert_eq!(loss.lost.as_millis(), 50);
        assert!((loss.percent - 5.0).abs() < 1e-6);
        assert_eq!(Loss::of(during, 0.95, frozen).lost, Duration::ZERO);
        assert_eq!(Loss::of(during, 1.5, frozen).percent, 0.0);
    }
}
