//! Memory of every kind, every page of it checked in every round: anonymous, shared, file
//! mappings that are private (clean and written) or shared, copied on write by a child, zero.
//!
//! `victim-memory [MIB]`: so much anonymous memory, 16 by default.

use std::fs::OpenOptions;
use std::time::Duration;

use commensal_tests::victim::pattern::{WORDS, fill, holds};
use commensal_tests::victim::raw::{Mapping, fork, guard_page};
use commensal_tests::victim::{Rounds, check, sleep};
use rustix::mm::MapFlags;

/// Pages of the smaller regions.
const PAGES: usize = 64;

/// A mapping and the seed of each of its pages.
struct Region {
    name: &'static str,
    mapping: Mapping,
    seeds: Vec<u64>,
    /// Whether its pages are written again and again.
    busy: bool,
}

impl Region {
    fn new(name: &'static str, mapping: Mapping, busy: bool, seed: impl Fn(u64) -> u64) -> Self {
        let pages = mapping.words().len() / WORDS;
        Self {
            name,
            mapping,
            seeds: (0..pages as u64).map(seed).collect(),
            busy,
        }
    }

    /// Write every page whose seed is not what it holds already.
    fn fill(mut self) -> Self {
        for (page, &seed) in self
            .mapping
            .words_mut()
            .chunks_exact_mut(WORDS)
            .zip(&self.seeds)
        {
            if !holds(page, seed) {
                fill(page, seed);
            }
        }
        self
    }

    fn check(&self) {
        for (number, (page, &seed)) in self
            .mapping
            .words()
            .chunks_exact(WORDS)
            .zip(&self.seeds)
            .enumerate()
        {
            check(
                holds(page, seed),
                &format!("{} page {number} changed", self.name),
            );
        }
    }

    /// Give one page new contents.
    fn touch(&mut self, round: u64) {
        let number =
            usize::try_from(round.wrapping_mul(7919)).unwrap_or_default() % self.seeds.len();
        let seed = self.seeds[number].wrapping_add(0x1_0000_0001);
        self.seeds[number] = seed;
        fill(
            &mut self.mapping.words_mut()[number * WORDS..][..WORDS],
            seed,
        );
    }
}

/// A new file of `PAGES` pages that hold the pattern of `seed`.
fn patterned_file(name: &str, seed: impl Fn(u64) -> u64) -> std::fs::File {
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(name)
        .expect("a new file");
    file.set_len((PAGES * WORDS * 8) as u64)
        .expect("room for a file");
    drop(
        Region::new(
            "file",
            Mapping::file(&file, PAGES * WORDS, MapFlags::SHARED),
            false,
            seed,
        )
        .fill(),
    );
    file
}

fn regions(anonymous_pages: usize) -> Vec<Region> {
    let words = PAGES * WORDS;
    let private = MapFlags::PRIVATE;
    let on_disk = |page| page + 1_000;
    // One page in eight differs from the file: copied on write.
    let written = move |page| {
        if page % 8 == 3 {
            page + 2_000
        } else {
            on_disk(page)
        }
    };
    let clean = patterned_file("clean", on_disk);
    let changed = patterned_file("changed", on_disk);
    let shared = patterned_file("shared", on_disk);
    guard_page();
    vec![
        Region::new(
            "anonymous",
            Mapping::anonymous(anonymous_pages * WORDS, private),
            true,
            |page| page + 1,
        ),
        Region::new(
            "sparse",
            Mapping::anonymous(words, private),
            false,
            |page| {
                if page % 5 == 0 { page + 1 } else { 0 }
            },
        ),
        Region::new(
            "shared anonymous",
            Mapping::anonymous(words, MapFlags::SHARED),
            true,
            |page| page + 3_000,
        ),
        Region::new(
            "clean file",
            Mapping::file(&clean, words, private),
            false,
            on_disk,
        ),
        Region::new(
            "written file",
            Mapping::file(&changed, words, private),
            true,
            written,
        ),
        Region::new(
            "shared file",
            Mapping::file(&shared, words, MapFlags::SHARED),
            true,
            on_disk,
        ),
        Region::new(
            "inherited",
            Mapping::anonymous(words, private),
            false,
            |page| page + 4_000,
        ),
    ]
}

fn main() {
    let mebibytes: usize = std::env::args()
        .nth(1)
        .map_or(16, |size| size.parse().expect("a size in MiB"));
    let mut regions: Vec<Region> = regions(mebibytes * 256)
        .into_iter()
        .map(Region::fill)
        .collect();
    if mebibytes <= 16 && fork().is_none() {
        inherit(regions.pop().expect("there is a region to inherit"));
    }
    let mut rounds = Rounds::default();
    loop {
        regions.iter().for_each(Region::check);
        for region in regions.iter_mut().filter(|region| region.busy) {
            region.touch(rounds.count());
        }
        sleep(Duration::from_millis(20));
        rounds.done();
    }
}

/// The child: half of the pages it got from its parent are its own copies now.
fn inherit(mut region: Region) -> ! {
    region
        .seeds
        .iter_mut()
        .step_by(2)
        .for_each(|seed| *seed += 5_000);
    let region = region.fill();
    loop {
        region.check();
        sleep(Duration::from_millis(20));
    }
}
