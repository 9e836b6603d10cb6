//! Which pages the last round has, in its own image or in one before.

use commensal_sys::RemoteRange;

/// A set of pages: ranges in ascending order that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known(Vec<RemoteRange>);

impl Known {
    /// Adds a range behind all others.
    pub fn push(&mut self, range: RemoteRange) {
        match self.0.last_mut() {
            Some(last) if last.end() == range.start() => *last = span(last.start().get(), range),
            _ => self.0.push(range),
        }
    }

    /// Whether all of `range` is in the set.
    pub fn holds(&self, range: RemoteRange) -> bool {
        let found = self.0.get(self.first_ending_behind(range.start().get()));
        found.is_some_and(|known| known.start() <= range.start() && range.end() <= known.end())
    }

    /// Cuts `range` into pieces that are in the set and pieces that are not,
    /// in ascending order.
    pub fn split<E>(
        &self,
        range: RemoteRange,
        mut each: impl FnMut(RemoteRange, bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut at, end) = (range.start().get(), range.end().get());
        let mut index = self.first_ending_behind(at);
        while at < end {
            let (is_in, until) = match self.0.get(index).map(|known| known.as_u64()) {
                Some(known) if known.start <= at => {
                    index += 1;
                    (true, known.end.min(end))
                }
                Some(known) => (false, known.start.min(end)),
                None => (false, end),
            };
            each(RemoteRange::new(at, until).expect("in order"), is_in)?;
            at = until;
        }
        Ok(())
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: RemoteRange) {
        let mut left = Self::default();
        let hole = range.as_u64();
        for known in self.0.drain(..) {
            let pieces = [
                (known.start().get(), known.end().get().min(hole.start)),
                (known.start().get().max(hole.end), known.end().get()),
            ];
            let pieces = pieces.into_iter().filter(|(start, end)| start < end);
            for piece in pieces.filter_map(|(start, end)| RemoteRange::new(start, end)) {
                left.push(piece);
            }
        }
        *self = left;
    }

    /// The ranges, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = RemoteRange> {
        self.0.iter().copied()
    }

    fn first_ending_behind(&self, addr: u64) -> usize {
        self.0.partition_point(|known| known.end().get() <= addr)
    }
}

/// Ranges in any order that do not overlap, as a set.
pub(super) fn joined(mut ranges: Vec<RemoteRange>) -> Known {
    ranges.sort_unstable_by_key(|range| range.start());
    let mut known = Known::default();
    ranges.into_iter().for_each(|range| known.push(range));
    known
}

fn span(start: u64, last: RemoteRange) -> RemoteRange {
    RemoteRange::new(start, last.end().get()).expect("one behind the other")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: u64, len: u64) -> RemoteRange {
        RemoteRange::new(start << 12, (start + len) << 12).expect("in order")
    }

    /// The set, and for each of the first pages whether it is in it.
    fn set(gaps: &[(u64, u64)]) -> (Known, Vec<bool>) {
        let (mut known, mut pages, mut at) = (Known::default(), Vec::new(), 0);
        for &(gap, len) in gaps {
            known.push(range(at + gap, len));
            pages.extend((0..gap).map(|_| false).chain((0..len).map(|_| true)));
            at += gap + len;
        }
        pages.resize(400, false);
        (known, pages)
    }

    fn pages(known: &Known) -> Vec<bool> {
        let mut pages = Vec::new();
        let all = range(0, 400);
        known
            .split::<()>(all, |piece, is_in| {
                pages.extend((0..piece.len() >> 12).map(|_| is_in));
                Ok(())
            })
            .expect("nothing fails");
        pages
    }

    proptest! {
        #[test]
        fn pieces_tell_of_each_page(
            gaps in proptest::collection::vec((0u64..9, 1u64..9), 0..20),
            start in 0u64..300,
            len in 1u64..60,
        ) {
            let (known, expected) = set(&gaps);
            prop_assert_eq!(pages(&known), &expected[..]);
            let asked = &expected[start as usize..(start + len) as usize];
            prop_assert_eq!(known.holds(range(start, len)), asked.iter().all(|is_in| *is_in));
        }

        #[test]
        fn what_is_removed_is_gone_and_nothing_else(
            gaps in proptest::collection::vec((0u64..9, 1u64..9), 0..20),
            start in 0u64..300,
            len in 0u64..60,
        ) {
            let (mut known, mut expected) = set(&gaps);
            known.remove(range(start, len));
            expected[start as usize..(start + len) as usize].fill(false);
            prop_assert_eq!(pages(&known), expected);
        }
    }
}
