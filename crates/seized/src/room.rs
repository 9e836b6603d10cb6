//! Room for frames in a stack that its thread has left.
//!
//! A main thread that runs elsewhere (a goroutine, a coroutine, a child that
//! another thread forked) may have live frames anywhere in `[stack]`, and live
//! data may be zeros. So room is where nothing was ever written: no program
//! waits for what such memory holds. What we wrote to and put back is zeros
//! now, and what a killed dumper left begins with its mark: such pages are
//! taken again where they border on memory that was never written.

use commensal_sys::pagemap::{Categories, Pagemap, Query, Region};
use commensal_sys::{PAGE_SIZE, Pid, RemoteAddr, RemoteRange, process_vm};

use crate::scratch::{CLEARANCE, MARK};

/// What is known of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    NeverWritten,
    Zeros,
    /// It begins with the mark of a dumper.
    Marked,
    Used,
}

/// The lowest place in `stack`, at least `skip` bytes above its start, where
/// `len` bytes are free; gives how far above the start it is, in bytes.
pub(crate) fn find(pid: Pid, stack: RemoteRange, skip: u64, len: u64) -> Option<u64> {
    let count = (stack.end().get() - stack.start().get()) / PAGE_SIZE;
    let written = written(pid, stack)?;
    let page = |index: u64| {
        let start = RemoteAddr::new(stack.start().get() + index * PAGE_SIZE);
        match written.iter().any(|range| range.contains(start)) {
            true => look(pid, start),
            false => Page::NeverWritten,
        }
    };
    let first = skip.div_ceil(PAGE_SIZE);
    lowest(first..count, len.div_ceil(PAGE_SIZE), page).map(|index| index * PAGE_SIZE)
}

/// The first page of the lowest run of free ones that has room for `need` and
/// the clearance behind, and at least that much of it never written.
fn lowest(pages: core::ops::Range<u64>, need: u64, page: impl Fn(u64) -> Page) -> Option<u64> {
    let clearance = CLEARANCE / PAGE_SIZE;
    let (mut start, mut fresh, mut marked_until) = (pages.start, 0, 0);
    for index in pages {
        match page(index) {
            Page::NeverWritten => fresh += 1,
            Page::Zeros => {}
            Page::Marked => marked_until = index + need,
            Page::Used if index < marked_until => {}
            Page::Used => (start, fresh) = (index + 1, 0),
        }
        if index + 1 - start >= need + clearance && fresh >= clearance {
            return Some(start);
        }
    }
    None
}

/// The parts of `range` that were written; to look at the others would change
/// what they are. `None` where they cannot be told.
fn written(pid: Pid, range: RemoteRange) -> Option<Vec<RemoteRange>> {
    let pagemap = Pagemap::open(pid).ok()?;
    let query = Query {
        any_of: Categories::PRESENT | Categories::SWAPPED,
        none_of: Categories::ZERO,
        ..Query::default()
    };
    let mut found = Vec::new();
    let mut rest = range;
    loop {
        let mut regions = [Region::default(); 64];
        let scan = pagemap.scan(rest, &query, &mut regions).ok()?;
        found.extend(regions[..scan.regions].iter().map(Region::range));
        match RemoteRange::new(scan.walk_end.get(), range.end().get()) {
            Some(left) if left.start() < left.end() => rest = left,
            _ => return Some(found),
        }
    }
}

fn look(pid: Pid, start: RemoteAddr) -> Page {
    let mut bytes = [0; PAGE_SIZE as usize];
    match process_vm::read(pid, start, &mut bytes) {
        Ok(_) if bytes.starts_with(MARK) => Page::Marked,
        Ok(_) if bytes.iter().all(|&byte| byte == 0) => Page::Zeros,
        _ => Page::Used,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` never written, `0` zeros, `m` marked, `x` anything else.
    fn place(pages: &str, first: u64, need: u64) -> Option<u64> {
        let page = |index| match pages.as_bytes()[index as usize] {
            b'.' => Page::NeverWritten,
            b'0' => Page::Zeros,
            b'm' => Page::Marked,
            _ => Page::Used,
        };
        lowest(first..pages.len() as u64, need, page)
    }

    #[test]
    fn memory_that_was_never_written_is_free() {
        assert_eq!(place("......xx", 0, 2), Some(0));
        assert_eq!(place("......xx", 1, 2), None);
        assert_eq!(place("xx.x......x", 0, 2), Some(4));
    }

    #[test]
    fn zeros_may_be_live_unless_they_border_on_such_memory() {
        assert_eq!(place("00000000000x", 0, 1), None);
        assert_eq!(place("000x00xx", 0, 1), None);
        assert_eq!(place("00....xx", 0, 2), Some(0));
    }

    #[test]
    fn what_a_killed_dumper_left_is_taken_again() {
        assert_eq!(place("mx....xx", 0, 2), Some(0));
        assert_eq!(place("mxmx....", 0, 2), Some(0));
        assert_eq!(place("mxx.....", 0, 2), None);
    }
}
