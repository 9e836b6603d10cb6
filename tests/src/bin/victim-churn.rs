//! Memory that changes all the time: pages are written, mappings appear, vanish, move, grow,
//! lose their contents and are mapped anew, children are born with a copy of all of it. In each
//! round every word is checked.
//!
//! `victim-churn [MIB]`: so much memory that only is written to, 16 by default.

use std::fs::File;
use std::io::Write;

use commensal_tests::victim::movable::Movable;
use commensal_tests::victim::pattern::{WORDS, fill, holds};
use commensal_tests::victim::raw::fork;
use commensal_tests::victim::{Rounds, check};
use rustix::process::{Pid, WaitOptions, waitpid};

/// Pages of an area that comes and goes.
const PAGES: usize = 96;
/// Areas that come and go.
const AREAS: usize = 12;
/// Changes between two checks.
const CHANGES: usize = 400;

/// A mapping, the seed of each of its pages, and those that are there when contents are dropped.
struct Area {
    name: &'static str,
    memory: Movable,
    seeds: Vec<u64>,
    below: Vec<u64>,
}

impl Area {
    fn new(name: &'static str, memory: Movable, below: Vec<u64>) -> Self {
        let seeds = below.clone();
        Self {
            name,
            memory,
            seeds,
            below,
        }
    }

    fn anonymous(name: &'static str, pages: usize) -> Self {
        Self::new(name, Movable::anonymous(pages), vec![0; pages])
    }

    fn write(&mut self, page: usize, seed: u64) {
        fill(self.memory.page_mut(page), seed);
        self.seeds[page] = seed;
    }

    fn check(&self) {
        let pages = self.memory.words().chunks_exact(WORDS);
        for (number, (page, &seed)) in pages.zip(&self.seeds).enumerate() {
            check(
                holds(page, seed),
                &format!("{} page {number} changed", self.name),
            );
        }
    }
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Some of so many pages: the first, and how many.
    fn some(&mut self, pages: usize) -> (usize, usize) {
        let first = self.below(pages);
        (first, 1 + self.below(pages - first))
    }
}

struct Churn {
    chance: Chance,
    steady: Vec<Area>,
    passing: Vec<Area>,
    file: File,
}

impl Churn {
    fn new(mebibytes: usize) -> Self {
        let mut huge = Area::anonymous("huge", 2048);
        huge.memory.advise_huge();
        let file = patterned_file();
        let mut churn = Self {
            chance: Chance(0x2545_f491_4f6c_dd1d),
            steady: vec![
                Area::anonymous("busy", mebibytes * 256),
                huge,
                of_file(&file),
            ],
            passing: Vec::new(),
            file,
        };
        for area in &mut churn.steady[..2] {
            (0..area.seeds.len()).for_each(|page| area.write(page, page as u64 + 1));
        }
        churn.passing = (0..AREAS).map(|_| churn.filled()).collect();
        churn
    }

    /// A new area, half of whose pages are written.
    fn filled(&mut self) -> Area {
        let mut area = match self.chance.below(3) {
            0 => of_file(&self.file),
            _ => Area::anonymous("passing", PAGES),
        };
        for page in (0..PAGES).step_by(2) {
            area.write(page, self.chance.next());
        }
        area
    }

    fn change(&mut self) {
        let index = self.chance.below(AREAS);
        match self.chance.below(64) {
            0 => self.passing[index] = self.filled(),
            1 => self.passing[index].memory.move_elsewhere(),
            2 => self.grow(index),
            3 => self.drop_contents(index),
            4 => self.map_anew(index),
            5..12 => self.write_passing(index),
            _ => self.write_steady(),
        }
    }

    fn write_steady(&mut self) {
        let which = self.chance.below(self.steady.len());
        let area = &mut self.steady[which];
        let page = self.chance.below(area.seeds.len());
        area.write(page, self.chance.next());
    }

    fn write_passing(&mut self, index: usize) {
        let area = &mut self.passing[index];
        let page = self.chance.below(area.seeds.len());
        area.write(page, self.chance.next());
    }

    fn grow(&mut self, index: usize) {
        let area = &mut self.passing[index];
        // A file ends where its mapping does.
        if area.name == "passing" && area.memory.pages() < 4 * PAGES {
            area.memory.grow(8);
            area.seeds.resize(area.memory.pages(), 0);
            area.below.resize(area.memory.pages(), 0);
        }
    }

    fn drop_contents(&mut self, index: usize) {
        let area = &mut self.passing[index];
        let (first, pages) = self.chance.some(area.seeds.len());
        area.memory.drop_contents(first, pages);
        let range = first..first + pages;
        area.seeds[range.clone()].copy_from_slice(&area.below[range]);
    }

    fn map_anew(&mut self, index: usize) {
        let area = &mut self.passing[index];
        // In pieces it could not be moved at once.
        let pages = area.seeds.len();
        area.memory.map_anew(0, pages);
        area.seeds.fill(0);
        area.below.fill(0);
        area.name = "passing";
        self.write_passing(index);
    }

    fn check(&self) {
        self.steady
            .iter()
            .chain(&self.passing)
            .for_each(Area::check);
    }
}

const fn of_the_file(page: usize) -> u64 {
    page as u64 + 1_000_000
}

fn of_file(file: &File) -> Area {
    let below = (0..PAGES).map(of_the_file).collect();
    Area::new("file", Movable::file(file, PAGES), below)
}

fn patterned_file() -> File {
    let mut file = File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open("churn")
        .expect("a new file");
    let mut page = [0; WORDS];
    for number in 0..PAGES {
        fill(&mut page, of_the_file(number));
        let bytes: Vec<u8> = page.iter().flat_map(|word| word.to_ne_bytes()).collect();
        file.write_all(&bytes).expect("room for a page");
    }
    file
}

fn main() {
    let mebibytes = std::env::args().nth(1);
    let mebibytes = mebibytes.map_or(16, |size| size.parse().expect("a size in MiB"));
    let mut churn = Churn::new(mebibytes);
    let mut rounds = Rounds::default();
    let mut child = None;
    loop {
        match child.take() {
            Some(pid) => check_child(pid),
            None => child = Some(fork().unwrap_or_else(|| live_as_child(&mut churn))),
        }
        (0..CHANGES).for_each(|_| churn.change());
        churn.check();
        rounds.done();
    }
}

/// A child has a copy of everything, changes it, and ends.
fn live_as_child(churn: &mut Churn) -> ! {
    churn.chance.next();
    (0..CHANGES).for_each(|_| churn.change());
    churn.check();
    std::process::exit(0);
}

/// It ends well, or said itself what was wrong.
fn check_child(pid: i32) {
    let pid = Pid::from_raw(pid).expect("a child has a pid");
    let ended = waitpid(Some(pid), WaitOptions::empty()).expect("it is a child");
    let status = ended.map(|(_, status)| status.exit_status());
    check(status == Some(Some(0)), "a child did not end well");
}
