//! `/proc/PID/uid_map` and `gid_map` (user_namespaces(7)): which id is called what inside.

use commensal_images::messages::UidGidExtent;
use commensal_sys::Pid;

use crate::{Result, proc};

/// One of the two maps of a user namespace: ranges that do not overlap, on either side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Vec<Range>);

/// Ids that follow each other on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    /// The first inside.
    inside: u32,
    /// The same as our own namespace has it.
    ours: u32,
    /// How many.
    count: u32,
}

impl Map {
    /// Reads a map; the kernel gives the outer ids as our own namespace has them.
    ///
    /// # Errors
    ///
    /// As [`proc::read`], and when the text has another form than the kernel gives.
    pub fn read(pid: Pid, name: &str) -> Result<Self> {
        let text = proc::read(pid, name)?;
        Self::parse(&text).ok_or_else(|| proc::unexpected(proc::path(pid, name), &text))
    }

    /// Takes the text apart: three numbers in each line.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let lines = str::from_utf8(text).ok()?.lines();
        lines.map(range).collect::<Option<_>>().map(Self)
    }

    /// What the namespace calls an id of ours; `None` where it has none for it.
    pub fn inside(&self, ours: u32) -> Option<u32> {
        self.0.iter().find_map(|range| {
            let offset = ours.checked_sub(range.ours)?;
            (offset < range.count).then(|| range.inside + offset)
        })
    }

    /// Whether the namespace has an id of its own.
    pub fn has_inside(&self, id: u32) -> bool {
        self.0.iter().any(|range| {
            id.checked_sub(range.inside)
                .is_some_and(|offset| offset < range.count)
        })
    }

    /// Whether it has no id at all, as before it is written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The map as the images have it.
    pub fn extents(&self) -> Vec<UidGidExtent> {
        let extent = |range: &Range| UidGidExtent {
            first: range.inside,
            lower_first: range.ours,
            count: range.count,
        };
        self.0.iter().map(extent).collect()
    }
}

fn range(line: &str) -> Option<Range> {
    let mut numbers = line.split_whitespace().map(|number| number.parse().ok());
    let mut next = || numbers.next()?;
    let (inside, ours, count): (u32, u32, u32) = (next()?, next()?, next()?);
    // The kernel maps no id beyond the last.
    inside.checked_add(count)?;
    ours.checked_add(count)?;
    numbers.next().is_none().then_some(Range {
        inside,
        ours,
        count,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ranges side by side, with gaps between, in an order of their own on the outer side.
    fn maps() -> impl Strategy<Value = Vec<Range>> {
        let ranges = prop::collection::vec((1u32..1000, 0u32..1000, 0u32..1000), 0..12);
        ranges.prop_map(|parts| {
            let (mut inside, mut ours) = (0, 1 << 30);
            let place = |(count, gap, other_gap): (u32, u32, u32)| {
                ours -= count + other_gap;
                let range = Range {
                    inside: inside + gap,
                    ours,
                    count,
                };
                inside += gap + count;
                range
            };
            parts.into_iter().map(place).collect()
        })
    }

    /// As the kernel writes it.
    fn text(ranges: &[Range]) -> String {
        let line = |range: &Range| {
            let (inside, ours, count) = (range.inside, range.ours, range.count);
            format!("{inside:10} {ours:10} {count:10}\n")
        };
        ranges.iter().map(line).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ranges in maps()) {
            let map = Map::parse(text(&ranges).as_bytes()).unwrap();
            prop_assert_eq!(&map.0, &ranges);
            let extents = map.extents();
            let sums = extents.iter().map(|e| (e.first, e.lower_first, e.count));
            prop_assert!(sums.eq(ranges.iter().map(|r| (r.inside, r.ours, r.count))));
        }

        #[test]
        fn every_id_of_a_range_is_found_and_no_other(ranges in maps(), id in 0u32..1 << 15) {
            let map = Map(ranges.clone());
            let holds = |first: u32, count, id| (first..first + count).contains(&id);
            let expected = ranges.iter().find(|r| holds(r.inside, r.count, id));
            prop_assert_eq!(map.has_inside(id), expected.is_some());
            for range in &ranges {
                for offset in [0, range.count / 2, range.count - 1] {
                    prop_assert_eq!(map.inside(range.ours + offset), Some(range.inside + offset));
                }
                for beside in [range.ours - 1, range.ours + range.count] {
                    let mapped = ranges.iter().any(|r| holds(r.ours, r.count, beside));
                    prop_assert_eq!(map.inside(beside).is_some(), mapped);
                }
            }
        }

        #[test]
        fn any_text_is_a_map_or_none(text in "[0-9 \\n-]{0,60}") {
            let _ = Map::parse(text.as_bytes());
        }
    }

    #[test]
    fn the_whole_map_of_the_first_namespace_is_understood() {
        let map = Map::parse(b"         0          0 4294967295\n").unwrap();
        assert_eq!(map.inside(u32::MAX - 1), Some(u32::MAX - 1));
        // The id that stands for none.
        assert_eq!(map.inside(u32::MAX), None);
    }

    #[test]
    fn rubbish_is_no_map() {
        for text in ["0 0", "0 0 1 2", "a 0 1", "0 4294967295 2"] {
            assert_eq!(Map::parse(text.as_bytes()), None, "{text}");
        }
    }
}
