//! Dumps in a row of a busy program with many threads that checks its own data: nothing of it
//! adds up, neither in the target nor in the dumper, which is this process.
//!
//! `cargo test -p commensal-tests --test soak -- --ignored` makes 500 of them.

use std::fs;

use commensal_dump::{Options, dump};

use commensal_infected::Pid;
use commensal_tests::harness::{Program, Target};

/// What a process has of what could leak.
#[derive(Debug)]
struct Belongings {
    descriptors: usize,
    mappings: usize,
    threads: usize,
    /// Resident memory in KiB.
    resident: usize,
}

impl Belongings {
    fn of(pid: u32) -> Self {
        let entries = |name| fs::read_dir(format!("/proc/{pid}/{name}")).map_or(0, Iterator::count);
        let text = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("it is there");
        let status = text("status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|rest| rest.split_ascii_whitespace().next());
        Self {
            descriptors: entries("fd"),
            mappings: text("maps").lines().count(),
            threads: entries("task"),
            resident: resident.and_then(|kib| kib.parse().ok()).expect("a size"),
        }
    }

    /// Nothing more than before; of memory, what allocators keep.
    fn assert_not_above(&self, before: &Self, whose: &str, slack: usize) {
        let no_more = self.descriptors <= before.descriptors
            && self.mappings <= before.mappings + slack / 1024
            && self.threads <= before.threads
            && self.resident <= before.resident + slack;
        assert!(no_more, "the {whose} had {before:?}, and has {self:?}");
    }
}

fn soak(times: usize) {
    let target = Target::spawn(&Program::victim("victim-threads"));
    let pid = Pid::new(target.pid() as i32).expect("a pid");
    let dump_once = |turn: usize| {
        let images = target.images_dir(&format!("images-{turn}"));
        let done = dump(pid, &Options::new(&images), &());
        done.unwrap_or_else(|error| panic!("dump {turn}: {error}"));
        fs::remove_dir_all(images).expect("our own directory");
        if turn.is_multiple_of(10) {
            target.wait_rounds(1);
        }
    };
    // The first ones fill caches and allocators, here and there.
    (0..5).for_each(dump_once);
    let (ours, theirs) = (
        Belongings::of(std::process::id()),
        Belongings::of(target.pid()),
    );
    (5..times).for_each(dump_once);
    target.wait_rounds(2);
    Belongings::of(target.pid()).assert_not_above(&theirs, "target", 64);
    Belongings::of(std::process::id()).assert_not_above(&ours, "dumper", 16 * 1024);
}

/// About ten seconds.
#[test]
fn forty_dumps_in_a_row() {
    soak(40);
}

#[test]
#[ignore = "takes minutes: cargo xtask test -- --run-ignored only -E 'test(five_hundred)'"]
fn five_hundred_dumps_in_a_row() {
    soak(500);
}
