//! The texts about tasks, for the fuzz targets.

use commensal_sys::PAGE_SIZE;

use super::maps::MapsLine;
use super::{Stat, Status, cgroups, smaps, tasks, text, timers};

/// Gives a text to every parser here.
pub fn text(bytes: &[u8]) {
    for line in text::lines(bytes) {
        MapsLine::parse(line).iter().for_each(check);
    }
    if let Ok(entries) = smaps::parse(bytes) {
        for entry in &entries {
            check(&entry.line);
            assert!(entry.page_size.is_power_of_two());
        }
        let mut neighbours = entries.iter().zip(entries.iter().skip(1));
        assert!(neighbours.all(|(a, b)| a.line.range.end() <= b.line.range.start()));
    }
    let _ = Stat::parse(bytes);
    let _ = timers::parse(bytes);
    let _ = tasks::parse_children(bytes);
    let _ = cgroups::parse(bytes);
    let known = Status::parse(bytes).is_ok_and(|status| status.tgid.is_some());
    assert!(known || Status::parse(bytes).is_err());
}

/// What the rest of the dump relies on.
fn check(mapping: &MapsLine) {
    let range = mapping.range;
    assert!(!range.is_empty());
    assert!(range.start().get().is_multiple_of(PAGE_SIZE));
    assert!(range.len().is_multiple_of(PAGE_SIZE));
}
