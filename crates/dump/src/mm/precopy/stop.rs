//! When rounds stop.

use std::time::Duration;

use commensal_sys::PAGE_SIZE;

/// How long pre-copying goes on. It stops after the first round with which
/// one of these holds:
///
/// - it was the last of [`PreCopy::rounds`];
/// - [`PreCopy::deadline`] has passed;
/// - it copied no more than 1 MiB: copying that much once more, frozen, takes
///   less time than the rest of the dump;
/// - it copied more than seven eighths of what the round before did: the tree
///   writes as fast as it is copied, and another round would not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreCopy {
    /// The most rounds, the first one of all pages included; at least one is made.
    pub rounds: u32,
    /// How long the rounds may take in all. A round that has begun is ended.
    pub deadline: Duration,
}

impl Default for PreCopy {
    fn default() -> Self {
        Self {
            rounds: 8,
            deadline: Duration::from_secs(60),
        }
    }
}

/// Pages that are not worth another round.
const FEW: u64 = (1 << 20) / PAGE_SIZE;

/// Why there was no further round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// There were as many as there may be.
    Rounds,
    /// The time is up.
    Deadline,
    /// Hardly anything was written since the round before.
    Converged,
    /// As much was written as could be copied.
    TooBusy,
}

/// The rounds so far, as far as the rule looks at them.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    limits: PreCopy,
    rounds: u32,
    last: Option<u64>,
}

impl Rule {
    /// Before the first round.
    pub fn new(limits: PreCopy) -> Self {
        Self {
            limits,
            rounds: 0,
            last: None,
        }
    }

    /// After a round that copied this many pages, this long after the start
    /// of the first.
    pub fn after(&mut self, copied: u64, elapsed: Duration) -> Option<Stopped> {
        self.rounds += 1;
        let before = self.last.replace(copied);
        if copied <= FEW {
            Some(Stopped::Converged)
        } else if before.is_some_and(|before| copied > before - before / 8) {
            Some(Stopped::TooBusy)
        } else if self.rounds >= self.limits.rounds {
            Some(Stopped::Rounds)
        } else if elapsed >= self.limits.deadline {
            Some(Stopped::Deadline)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After which round it stops, and why, for rounds of so many pages.
    fn stops(limits: PreCopy, pages: &[u64]) -> Option<(usize, Stopped)> {
        let mut rule = Rule::new(limits);
        let mut rounds = pages.iter().zip(1..);
        rounds.find_map(|(&copied, round)| {
            let elapsed = Duration::from_secs(round as u64);
            Some((round, rule.after(copied, elapsed)?))
        })
    }

    const SHRINKING: [u64; 5] = [100_000, 50_000, 25_000, 12_000, 6_000];

    #[test]
    fn a_calm_tree_takes_few_rounds() {
        let stop = stops(PreCopy::default(), &[100_000, 900, 100]);
        assert_eq!(stop, Some((3, Stopped::Converged)));
    }

    #[test]
    fn a_tree_that_writes_faster_than_it_is_copied_takes_two() {
        let stop = stops(PreCopy::default(), &[100_000, 99_000]);
        assert_eq!(stop, Some((2, Stopped::TooBusy)));
    }

    #[test]
    fn rounds_and_time_are_limits() {
        let limits = PreCopy {
            rounds: 3,
            ..PreCopy::default()
        };
        assert_eq!(stops(limits, &SHRINKING), Some((3, Stopped::Rounds)));
        let limits = PreCopy {
            deadline: Duration::from_secs(2),
            ..PreCopy::default()
        };
        assert_eq!(stops(limits, &SHRINKING), Some((2, Stopped::Deadline)));
        assert_eq!(stops(PreCopy::default(), &SHRINKING), None);
    }
}
