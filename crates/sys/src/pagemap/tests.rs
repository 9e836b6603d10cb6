//! Scans of our own pages.

use super::*;

fn this_task() -> Pid {
    Pid::new(std::process::id() as i32).expect("a process id is positive")
}

/// Four pages of this process, page aligned, of which `touch` were written.
fn memory(touch: &[usize]) -> (&'static [u8], RemoteRange) {
    let page = PAGE_SIZE as usize;
    let block = fresh(256);
    let skip = 64 * page;
    for index in touch {
        block[skip + index * page] = 1;
    }
    let start = block[skip..].as_ptr() as u64;
    (
        block,
        RemoteRange::new(start, start + 4 * PAGE_SIZE).expect("in order"),
    )
}

/// Memory that no page is behind until it is written; never given back.
fn fresh(pages: usize) -> &'static mut [u8] {
    let len = pages * PAGE_SIZE as usize;
    let prot = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
    let flags = rustix::mm::MapFlags::PRIVATE;
    // SAFETY: with a null hint and without MAP_FIXED, mmap(2) replaces no memory in use.
    let start = unsafe { rustix::mm::mmap_anonymous(core::ptr::null_mut(), len, prot, flags) };
    let start = start.expect("room").cast::<u8>();
    // SAFETY: the mapping is `len` bytes of zeros that may be read and written, nobody else
    // has its address, and it is never unmapped.
    unsafe { core::slice::from_raw_parts_mut(start, len) }
}

const PRESENT: Query = Query {
    all_of: Categories::NONE,
    none_of: Categories(Categories::ZERO.0 | Categories::FILE.0),
    any_of: Categories(Categories::PRESENT.0 | Categories::SWAPPED.0),
    report: Categories::PRESENT,
    write_protect: false,
    check_wp_async: false,
};

#[test]
fn only_written_pages_are_found() {
    let (_block, range) = memory(&[1, 3]);
    let start = range.start().get();
    let pagemap = Pagemap::open(this_task()).expect("own pagemap");
    let mut regions = [Region::default(); 8];
    let scan = pagemap.scan(range, &PRESENT, &mut regions).expect("scan");
    assert_eq!(scan.walk_end, range.end());
    let found: Vec<u64> = regions[..scan.regions]
        .iter()
        .flat_map(|r| r.range().as_u64().step_by(PAGE_SIZE as usize))
        .map(|addr| (addr - start) / PAGE_SIZE)
        .collect();
    assert_eq!(found, [1, 3]);
}

#[test]
fn a_full_array_says_where_to_go_on() {
    let (_block, range) = memory(&[0, 2]);
    let pagemap = Pagemap::open(this_task()).expect("own pagemap");
    let mut regions = [Region::default(); 1];
    let first = pagemap.scan(range, &PRESENT, &mut regions).expect("scan");
    assert_eq!(first.regions, 1);
    assert_eq!(regions[0].range().start(), range.start());
    let rest = RemoteRange::new(first.walk_end.get(), range.end().get()).expect("in order");
    let second = pagemap.scan(rest, &PRESENT, &mut regions).expect("scan");
    assert_eq!(second.regions, 1);
    assert_eq!(
        regions[0].range().start().get(),
        range.start().get() + 2 * PAGE_SIZE
    );
}

#[test]
fn more_regions_than_the_kernel_takes_at_once_are_all_found_once() {
    let page = PAGE_SIZE as usize;
    let block = fresh(4096);
    let skip = 0;
    for index in (0..1400).step_by(2) {
        block[skip + index * page] = 1;
    }
    let start = block[skip..].as_ptr() as u64;
    let range = RemoteRange::new(start, start + 1400 * PAGE_SIZE).expect("in order");
    let pagemap = Pagemap::open(this_task()).expect("own pagemap");
    for room in [100, 512, 600, 700, 1024] {
        let mut regions = vec![Region::default(); room];
        let (mut found, mut left) = (Vec::new(), range);
        while !left.is_empty() {
            let scan = pagemap.scan(left, &PRESENT, &mut regions).expect("scan");
            let starts = regions[..scan.regions]
                .iter()
                .map(|r| r.range().start().get());
            found.extend(starts.map(|at| (at - start) / PAGE_SIZE));
            left = RemoteRange::new(scan.walk_end.get(), range.end().get()).expect("in order");
        }
        assert!(found.iter().copied().eq((0..1400).step_by(2)), "{room}");
    }
}

#[test]
fn answers_out_of_order_are_noticed() {
    let range = RemoteRange::new(0x1000, 0x5000).expect("in order");
    let scan = |end| Scan {
        regions: 2,
        walk_end: RemoteAddr::new(end),
    };
    let region = |start, end| Region {
        start,
        end,
        categories: Categories::NONE,
    };
    assert!(in_order(
        range,
        &[region(0x1000, 0x2000), region(0x2000, 0x3000)],
        scan(0x5000)
    ));
    assert!(!in_order(
        range,
        &[region(0x2000, 0x3000), region(0x1000, 0x2000)],
        scan(0x5000)
    ));
    assert!(!in_order(
        range,
        &[region(0x1000, 0x2000), region(0x2000, 0x6000)],
        scan(0x6000)
    ));
    assert!(!in_order(
        range,
        &[region(0x1000, 0x2000), region(0x3000, 0x4000)],
        scan(0x3000)
    ));
    assert!(!in_order(range, &[region(0x1001, 0x2000)], scan(0x5000)));
}
