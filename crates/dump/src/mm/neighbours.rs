//! Small mappings that lie close together, whose pages are found in one call: most tasks have some dozen
//! of a few pages each.

use std::cell::RefCell;

use commensal_sys::RemoteRange;
use commensal_sys::pagemap::{Categories, Pagemap, Query, Region};

use super::{Mapping, Mappings};
use crate::Result;

/// Bytes above which a mapping is looked at by itself: a large one may be shared memory, of whose pages none
/// matters here.
const SMALL: u64 = 1 << 20;

/// Bytes from the start of the first mapping to the end of the last one that are looked at in one call.
const MOST: u64 = 16 << 20;

/// Regions that one call may give: 24 bytes each.
const REGIONS: usize = 256;

/// The small mappings of a task, put together.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// From the first of some neighbours to the last, in ascending order.
    groups: Vec<RemoteRange>,
    /// The group that was looked at last, and what is there.
    last: RefCell<Option<(RemoteRange, Vec<Region>)>>,
}

impl Neighbours {
    /// Puts the mappings of a task together.
    pub fn of(mappings: &Mappings) -> Self {
        let mut groups: Vec<RemoteRange> = Vec::new();
        let mut open = false;
        for mapping in mappings.iter() {
            let range = mapping.range();
            let is_small = range.len() <= SMALL;
            let joined = groups.last().filter(|_| open && is_small);
            let joined = joined.and_then(|group| span(group.start().get(), range.end().get()));
            match joined.filter(|joined| joined.len() <= MOST) {
                Some(joined) => *groups.last_mut().expect("one is open") = joined,
                None if is_small => groups.push(range),
                None => {}
            }
            open = is_small;
        }
        Self {
            groups,
            last: RefCell::default(),
        }
    }

    /// Gives the pages of a mapping that match `query`, in ascending order, with all that is known of them;
    /// `false` where it has no neighbours and is to be looked at by itself. Of guard pages is told where
    /// the kernel reports `guards`.
    ///
    /// # Errors
    ///
    /// Those of `each`, and of the scan.
    pub fn pages(
        &self,
        pagemap: &Pagemap,
        (mapping, query): (&Mapping, &Query),
        guards: bool,
        each: &mut dyn FnMut(RemoteRange, Categories) -> Result<()>,
    ) -> Result<bool> {
        let range = mapping.range();
        let after = self
            .groups
            .partition_point(|group| group.start() <= range.start());
        let group = after.checked_sub(1).map(|place| self.groups[place]);
        let Some(group) = group.filter(|group| range.end() <= group.end()) else {
            return Ok(false);
        };
        let mut last = self.last.borrow_mut();
        let known = last.take().filter(|(looked_at, _)| *looked_at == group);
        let (_, regions) = last.insert(match known {
            Some(known) => known,
            None => (group, look(pagemap, group, guards)?),
        });
        let first = regions.partition_point(|region| region.range().end() <= range.start());
        for region in &regions[first..] {
            if region.range().start() >= range.end() {
                break;
            }
            if matches(query, region.categories()) {
                each(cut(region.range(), range), region.categories())?;
            }
        }
        Ok(true)
    }
}

/// All that there is in a range.
fn look(pagemap: &Pagemap, range: RemoteRange, guards: bool) -> Result<Vec<Region>> {
    let mut there = Categories::PRESENT | Categories::SWAPPED;
    if guards {
        there |= Categories::GUARD;
    }
    let query = Query {
        any_of: there,
        report: there | Categories::ZERO | Categories::FILE,
        ..Query::default()
    };
    let mut regions = Vec::new();
    let mut left = range;
    while !left.is_empty() {
        let filled = regions.len();
        regions.resize(filled + REGIONS, Region::default());
        let scan = pagemap.scan(left, &query, &mut regions[filled..])?;
        regions.truncate(filled + scan.regions);
        left = span(scan.walk_end.get(), range.end().get()).expect("a scan stops within its range");
    }
    Ok(regions)
}

/// Whether a scan with `query` would find pages of which these categories were reported.
fn matches(query: &Query, categories: Categories) -> bool {
    let any = query.any_of == Categories::NONE || categories.has_any(query.any_of);
    any && categories.contains(query.all_of) && !categories.has_any(query.none_of)
}

fn span(start: u64, end: u64) -> Option<RemoteRange> {
    RemoteRange::new(start, end)
}

/// The part of `region` that lies in `range`, which it overlaps.
fn cut(region: RemoteRange, range: RemoteRange) -> RemoteRange {
    let start = region.start().max(range.start());
    let end = region.end().min(range.end());
    span(start.get(), end.get()).expect("they overlap")
}

#[cfg(test)]
mod tests;
