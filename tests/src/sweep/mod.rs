//! The sweep: kill the dumper at each of its own system call stops, and look at the target.
//!
//! - `killer`: runs a dumper and kills it at its Nth stop, which `counter` counts inside the kernel, or
//!   `traced` as a tracer;
//! - `subject`: the target, which watches itself and reports through a shared file;
//! - `facts`: the target as it looks from outside;
//! - `lazy`: dumps that give the target's memory to who fetches it, and that one;
//! - `raw`: the unsafe calls of a tracer.

mod counter;
mod facts;
mod killer;
mod lazy;
mod raw;
mod subject;
mod traced;

pub use facts::Facts;
pub use killer::{End, Killer};
pub use lazy::LazyDump;
pub use subject::{Harm, Subject};

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

/// What is swept: a dumper, against a target.
pub struct Sweep<'a> {
    /// Starts a target.
    pub target: &'a dyn Fn() -> Subject,
    /// The command that dumps the target; called before every run.
    pub dumper: &'a dyn Fn(&Subject) -> Command,
    /// The first point, from 1.
    pub first: usize,
    /// How many stops from one point to the next.
    pub step: usize,
    /// What the dumper gets: SIGKILL, or a signal that it may handle.
    pub signal: Signal,
}

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Stops at which the dumper was killed.
    pub points: usize,
    /// Stops that the dumper has when it is let finish.
    pub stops: usize,
    /// The wait status of a dumper that was let finish.
    pub status: i32,
    /// How often each harm was seen.
    pub harmed: BTreeMap<&'static str, usize>,
    /// What exactly, point by point.
    pub details: Vec<(usize, Harm)>,
    /// How long it took.
    pub time: Duration,
}

impl Sweep<'_> {
    /// Kill the dumper at every point, until it finishes before it.
    pub fn run(&self, killer: &mut Killer) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome::default();
        let mut target = (self.target)();
        let mut point = self.first;
        loop {
            let end = killer.signal_at(&(self.dumper)(&target), point, self.signal);
            if let Err(harm) = target.check() {
                *outcome.harmed.entry(harm.kind).or_default() += 1;
                outcome.details.push((point, harm));
                // One that was harmed cannot tell of the next point.
                target = (self.target)();
            }
            match end {
                End::Signalled => outcome.points += 1,
                End::Finished { stops, status } => {
                    (outcome.stops, outcome.status) = (stops, status);
                    break;
                }
            }
            point += self.step;
        }
        outcome.time = start.elapsed();
        outcome
    }
}

impl Outcome {
    /// Whether no point did harm, and the dumper that was let finish succeeded.
    pub fn is_clean(&self) -> bool {
        self.harmed.is_empty() && self.status == 0 && self.points > 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let harmed: usize = self.harmed.values().sum();
        write!(
            f,
            "{} points of {}, harmed {harmed}",
            self.points, self.stops
        )?;
        for kind in subject::KINDS {
            write!(f, ", {kind} {}", self.harmed.get(kind).unwrap_or(&0))?;
        }
        write!(f, " ({:.1} s)", self.time.as_secs_f64())?;
        if self.status != 0 {
            write!(
                f,
                "; the dumper that was let finish failed: status {:#x}",
                self.status
            )?;
        }
        for (point, harm) in &self.details {
            write!(f, "\n  point {point}: {}: {}", harm.kind, harm.what)?;
        }
        Ok(())
    }
}
