//! Which pages stay, and what of them is found.

use super::*;

const PAGE: u64 = PAGE_SIZE;

fn sorted(sorter: &mut Sorter, start: u64, pages: u64, flags: u32) -> Vec<(u64, u64, u32)> {
    let mut runs = Vec::new();
    let run = Run {
        range: range(start * PAGE, (start + pages) * PAGE),
        flags,
    };
    let mut add = |run: Run| {
        runs.push((
            run.range.start().get() / PAGE,
            run.range.len() / PAGE,
            run.flags,
        ));
        Ok(())
    };
    sorter.add(run, &mut add).unwrap();
    runs
}

#[test]
fn pages_under_a_stack_pointer_do_not_stay() {
    const BOTH: u32 = flags::PRESENT | flags::LAZY;
    let mut sorter = Sorter {
        stacks: vec![PAGE, 12 * PAGE, 20 * PAGE],
        ranges: Vec::new(),
    };
    let runs = sorted(&mut sorter, 10, 5, BOTH);
    let wanted = [
        (10, 2, flags::LAZY),
        (12, 1, flags::PRESENT),
        (13, 2, flags::LAZY),
    ];
    assert_eq!(runs, wanted);
    assert_eq!(sorted(&mut sorter, 15, 1, BOTH), [(15, 1, flags::LAZY)]);
    assert_eq!(sorted(&mut sorter, 20, 1, BOTH), [(20, 1, flags::PRESENT)]);
    let written = flags::PRESENT;
    assert_eq!(sorted(&mut sorter, 30, 1, written), [(30, 1, written)]);
    assert_eq!(
        sorter.ranges,
        [range(10 * PAGE, 12 * PAGE), range(13 * PAGE, 16 * PAGE)]
    );
    assert_eq!(sorter.pages(), 5);
}

#[test]
fn what_is_asked_for_ends_where_what_stays_does() {
    let task = Task {
        ranges: vec![range(2 * PAGE, 4 * PAGE), range(6 * PAGE, 7 * PAGE)],
        ..Task::default()
    };
    let pages = LazyPages(Mutex::new(HashMap::from([(7, task)])));
    let found = |address, count| pages.find(7, address, count);
    assert_eq!(found(3 * PAGE, 9), Some(range(3 * PAGE, 4 * PAGE)));
    assert_eq!(found(2 * PAGE, 1), Some(range(2 * PAGE, 3 * PAGE)));
    for (address, count) in [
        (PAGE, 9),
        (4 * PAGE, 9),
        (8 * PAGE, 1),
        (2 * PAGE, 0),
        (2 * PAGE + 1, 1),
    ] {
        assert_eq!(found(address, count), None, "{address:#x}");
    }
    assert_eq!(found(2 * PAGE, u64::MAX), None);
    assert_eq!(pages.find(8, 2 * PAGE, 1), None);
}
