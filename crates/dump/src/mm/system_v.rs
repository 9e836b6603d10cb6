//! Segments of System V shared memory (shmat(2)), which a restore attaches whole.

use std::collections::HashMap;

use commensal_sys::{PAGE_SIZE, Pid, RemoteRange};

use super::classify::{self, Kind};
use super::mapping::Mapping;
use crate::Refusal;

/// A mapping of a segment, or of a part of one.
#[derive(Clone, Copy)]
struct Part {
    /// The segment's inode.
    segment: u64,
    /// The size of the segment, in bytes.
    size: u64,
    /// Where in the segment it begins, in bytes.
    offset: u64,
    range: RemoteRange,
}

/// Segments of which the task has unmapped or moved a part. A restore attaches a segment where its first part
/// is, and takes what follows for the rest.
pub(super) fn incomplete(pid: Pid, list: &[Mapping]) -> Vec<Refusal> {
    let segments = list.iter().filter(|mapping| mapping.kind == Kind::SystemV);
    let parts = segments.filter_map(|mapping| {
        let file = mapping.file.as_ref()?.stat();
        Some(Part {
            segment: file.st_ino,
            size: file.st_size as u64,
            offset: mapping.line.pgoff,
            range: mapping.range(),
        })
    });
    let refuse = |range| {
        classify::refusal(
            pid,
            range,
            "a part of a segment of System V shared memory",
            "the task has unmapped or moved another part of it, and a restore attaches whole segments",
            "attach it anew before the dump (shmdt, shmat)",
        )
    };
    not_whole(parts).into_iter().map(refuse).collect()
}

/// The parts, which come in ascending order, that do not make whole segments: of each attachment the first.
fn not_whole(parts: impl Iterator<Item = Part>) -> Vec<RemoteRange> {
    let mut found = Vec::new();
    // Of each segment what was attached last: its first part, and where it ends.
    let mut attached: HashMap<u64, (Part, u64)> = HashMap::new();
    let is_short = |&(first, end): &(Part, u64)| {
        let size = first.size.next_multiple_of(PAGE_SIZE);
        end - first.range.start().get() != size
    };
    for part in parts {
        let (start, end) = (part.range.start().get(), part.range.end().get());
        match attached.get_mut(&part.segment) {
            Some((first, before))
                if *before == start && part.offset == start - first.range.start().get() =>
            {
                *before = end;
            }
            _ if part.offset == 0 => {
                let before = attached.insert(part.segment, (part, end));
                found.extend(before.filter(is_short).map(|(first, _)| first.range));
            }
            _ => found.push(part.range),
        }
    }
    let last = attached.values().filter(|last| is_short(last));
    found.extend(last.map(|(first, _)| first.range));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of segments of 3 pages and some bytes less, in pages: segment, offset, start and end.
    fn found(parts: &[(u64, u64, u64, u64)]) -> Vec<u64> {
        let parts = parts.iter().map(|&(segment, offset, start, end)| Part {
            segment,
            size: 3 * 4096 - 100,
            offset: offset << 12,
            range: RemoteRange::new(start << 12, end << 12).unwrap(),
        });
        let found = not_whole(parts);
        found
            .iter()
            .map(|range| range.start().get() >> 12)
            .collect()
    }

    #[test]
    fn whole_segments_may_be_in_parts() {
        let whole = [
            (1, 0, 10, 13),
            (2, 0, 20, 21),
            (2, 1, 21, 23),
            (1, 0, 30, 33),
        ];
        assert_eq!(found(&whole), [0; 0]);
        assert_eq!(found(&[]), [0; 0]);
    }

    #[test]
    fn a_hole_anywhere_is_found() {
        assert_eq!(found(&[(1, 0, 10, 12)]), [10]);
        assert_eq!(found(&[(1, 1, 11, 13)]), [11]);
        assert_eq!(found(&[(1, 0, 10, 11), (1, 2, 12, 13)]), [12, 10]);
        assert_eq!(found(&[(1, 0, 10, 12), (1, 0, 20, 23)]), [10]);
    }

    #[test]
    fn a_part_that_was_moved_is_found() {
        assert_eq!(
            found(&[(1, 0, 10, 11), (1, 2, 11, 12), (1, 1, 20, 21)]),
            [11, 20, 10]
        );
    }
}
