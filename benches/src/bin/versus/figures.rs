//! Medians and ratios of many dumps.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::case::Case;
use crate::dumper::{Cost, Dumper};

/// What the dumps of one case cost.
pub struct Comparison {
    pub case: Case,
    commensal: Vec<Cost>,
    criu: Vec<Cost>,
}

/// The middle of some measurements, and how far they are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Comparison {
    /// Of a case, without a dump yet.
    pub fn new(case: Case) -> Self {
        Self {
            case,
            commensal: Vec::new(),
            criu: Vec::new(),
        }
    }

    /// One more dump.
    pub fn add(&mut self, dumper: Dumper, cost: Cost) {
        match dumper {
            Dumper::Commensal => self.commensal.push(cost),
            Dumper::Criu => self.criu.push(cost),
        }
    }

    /// All dumps of one of the two, in their order.
    pub fn costs(&self, dumper: Dumper) -> &[Cost] {
        match dumper {
            Dumper::Commensal => &self.commensal,
            Dumper::Criu => &self.criu,
        }
    }

    /// Milliseconds that the target was frozen.
    pub fn frozen(&self, dumper: Dumper) -> Figure {
        Figure::of(self.costs(dumper).iter().map(|cost| millis(cost.frozen)))
    }

    /// Milliseconds of the whole dump.
    pub fn total(&self, dumper: Dumper) -> Figure {
        Figure::of(self.costs(dumper).iter().map(|cost| millis(cost.total)))
    }

    /// MiB of memory that the dumper took.
    pub fn memory(&self, dumper: Dumper) -> Figure {
        let mebibytes = |cost: &Cost| cost.memory as f64 / f64::from(1 << 20);
        Figure::of(self.costs(dumper).iter().map(mebibytes))
    }
}

impl Figure {
    /// Of some measurements.
    ///
    /// # Panics
    ///
    /// Where there are none.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
            panic!("a case has been dumped at least once");
        };
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Self {
            least,
            median,
            most,
        }
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            least,
            median,
            most,
        } = self;
        write!(f, "{median:.1} ({least:.1}–{most:.1})")
    }
}

/// A time in milliseconds.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_or_between_two() {
        let of = |values: &[f64]| Figure::of(values.iter().copied()).median;
        assert_eq!(of(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(of(&[1.0]), 1.0);
    }
}
