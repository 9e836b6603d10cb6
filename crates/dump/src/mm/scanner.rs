//! Which of a task's own pages matter.

use std::cell::RefCell;
use std::sync::OnceLock;

use commensal_sys::pagemap::{Categories, Pagemap, Query, Region};
use commensal_sys::{Errno, PAGE_SIZE, Pid, RemoteRange};

use super::entries::{map, mmap_flags};
use super::neighbours::Neighbours;
use super::pagemap::{Run, flags};
use super::precopy::Tracker;
use super::private::TaskPages;
use super::{Kind, Mapping, Mappings};
use crate::Result;
use crate::proc::smaps::VmFlags;

/// Regions that one scan call may give: 24 bytes each.
const REGIONS: usize = 1024;

/// Finds the pages that matter.
pub(super) struct Scanner<'t> {
    pagemap: Pagemap,
    /// Whether this kernel reports guard pages.
    guards: bool,
    /// What is known of written pages.
    tracker: Option<&'t Tracker>,
    /// Whether tracked pages are write-protected while they are found.
    protect: bool,
    /// Mappings that are looked at together.
    neighbours: Neighbours,
    /// What a call gives, in room that is used again.
    regions: RefCell<Vec<Region>>,
}

impl<'t> Scanner<'t> {
    pub fn new(pid: Pid, tracker: Option<&'t Tracker>) -> Result<Self> {
        let pagemap = Pagemap::open(pid)?;
        Ok(Self {
            guards: knows_guards(&pagemap)?,
            pagemap,
            tracker,
            protect: false,
            neighbours: Neighbours::default(),
            regions: RefCell::new(vec![Region::default(); REGIONS]),
        })
    }

    /// For all mappings of a task, in ascending order.
    pub fn of_all(mappings: &Mappings, tracker: Option<&'t Tracker>) -> Result<Self> {
        Ok(Self {
            neighbours: Neighbours::of(mappings),
            ..Self::new(mappings.pid(), tracker)?
        })
    }

    /// With each page that is found, and was written, write-protected again.
    pub fn protecting(pid: Pid, tracker: &'t Tracker) -> Result<Self> {
        Ok(Self {
            protect: true,
            ..Self::new(pid, Some(tracker))?
        })
    }

    pub fn mapping(
        &self,
        mapping: &Mapping,
        found: &mut TaskPages,
        add: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        let droppable = mapping.flags.contains(VmFlags::DROPPABLE);
        let private = mapping.has_private_pages() && !droppable;
        if private {
            found.stats.scanned += mapping.range().len() / PAGE_SIZE;
        }
        if private && mapping.is_dumped_whole() {
            return add(Run {
                range: mapping.range(),
                flags: flags::PRESENT,
            });
        }
        let tracker = self.tracker.filter(|tracker| tracker.owns(mapping));
        let query = match private {
            true => self.private_pages(mapping, tracker.is_some()),
            false if self.guards && may_have_guards(mapping) => guard_pages(),
            false => return Ok(()),
        };
        let flags = run_flags(mapping);
        let mut each = |range: RemoteRange, categories: Categories| {
            if categories.contains(Categories::GUARD) {
                push_guard(&mut found.guards, range);
                return Ok(());
            }
            match tracker.filter(|_| is_unchanged(mapping, categories)) {
                None => add(Run { range, flags }),
                Some(tracker) => tracker.known().split(range, |range, known| {
                    if known {
                        found.stats.in_parent += range.len() / PAGE_SIZE;
                    }
                    let flags = if known { flags::PARENT } else { flags };
                    add(Run { range, flags })
                }),
            }
        };
        // What was written is only told of one mapping at a time.
        let together = tracker.is_none() && !self.protect;
        let of = (mapping, &query);
        if together
            && self
                .neighbours
                .pages(&self.pagemap, of, self.guards, &mut each)?
        {
            return Ok(());
        }
        self.scan(mapping.range(), &query, |region| {
            each(region.range(), region.categories())
        })
    }

    fn scan(
        &self,
        range: RemoteRange,
        query: &Query,
        mut each: impl FnMut(&Region) -> Result<()>,
    ) -> Result<()> {
        let mut regions = self.regions.borrow_mut();
        let mut left = range;
        while !left.is_empty() {
            let scan = self.pagemap.scan(left, query, &mut regions)?;
            regions[..scan.regions].iter().try_for_each(&mut each)?;
            left = RemoteRange::new(scan.walk_end.get(), range.end().get())
                .expect("a scan stops within its range");
        }
        Ok(())
    }

    fn private_pages(&self, mapping: &Mapping, tracked: bool) -> Query {
        let mut query = Query {
            any_of: Categories::PRESENT | Categories::SWAPPED,
            none_of: Categories::ZERO,
            ..Query::default()
        };
        // To tell a page of a file from a copy the kernel looks at each page,
        // and not only at the page table. No file, no such page.
        if mapping.file.is_some() {
            query.none_of |= Categories::FILE;
        }
        match (self.guards, self.protect) {
            (true, true) => query.none_of |= Categories::GUARD,
            (true, false) => query.report |= Categories::GUARD,
            (false, _) => {}
        }
        if tracked {
            query.report |= Categories::WP_ALLOWED | Categories::WRITTEN | Categories::SWAPPED;
            query.write_protect = self.protect;
        }
        query
    }
}

/// Whether the kernel says that pages were not written since they were
/// protected. In a mapping with a file, one that was dropped
/// (`MADV_DONTNEED`) looks like one that is swapped out.
fn is_unchanged(mapping: &Mapping, categories: Categories) -> bool {
    let maybe_dropped = mapping.file.is_some() && categories.contains(Categories::SWAPPED);
    categories.contains(Categories::WP_ALLOWED)
        && !categories.contains(Categories::WRITTEN)
        && !maybe_dropped
}

fn guard_pages() -> Query {
    Query {
        all_of: Categories::GUARD,
        report: Categories::GUARD,
        ..Query::default()
    }
}

/// Guard pages can be installed in any mapping that is plain memory to the
/// kernel (mm/madvise.c, `is_valid_guard_vma`).
fn may_have_guards(mapping: &Mapping) -> bool {
    matches!(
        mapping.kind,
        Kind::Anonymous | Kind::Heap | Kind::File | Kind::Memfd
    )
}

/// Whether the kernel reports guard pages (Linux 6.15): asked with a scan of
/// an empty range, which an older one refuses.
fn knows_guards(pagemap: &Pagemap) -> Result<bool> {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    if let Some(knows) = KNOWS.get() {
        return Ok(*knows);
    }
    let range = RemoteRange::new(0, PAGE_SIZE).expect("in order");
    let knows = match pagemap.scan(range, &guard_pages(), &mut [Region::default()]) {
        Ok(_) => true,
        Err(error) if error.errno == Errno::INVAL => false,
        Err(error) => return Err(error.into()),
    };
    Ok(*KNOWS.get_or_init(|| knows))
}

fn push_guard(guards: &mut Vec<RemoteRange>, range: RemoteRange) {
    match guards.last_mut() {
        Some(last) if last.end() == range.start() => {
            let (start, end) = (last.start().get(), range.end().get());
            *last = RemoteRange::new(start, end).expect("one behind the other");
        }
        _ => guards.push(range),
    }
}

/// A restore may fetch plain private memory lazily.
fn run_flags(mapping: &Mapping) -> u32 {
    let bits = mmap_flags(mapping);
    let plain = bits & map::ANONYMOUS != 0 && bits & map::PRIVATE != 0;
    let eager = bits & (map::LOCKED | map::HUGETLB) != 0;
    if plain && !eager {
        flags::PRESENT | flags::LAZY
    } else {
        flags::PRESENT
    }
}
