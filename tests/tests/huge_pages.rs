//! Explicit huge pages survive the round trip.

use std::fs;

use commensal_tests::harness::{Program, assert_resumes, assert_round_trip};
use commensal_tests::{judge_or_skip, need_or_skip};

/// As many as the program has, twice over: a restore fills them before it maps them.
const NEEDED: u64 = 16;
const POOL: &str = "/proc/sys/vm/nr_hugepages";

/// Huge pages that were added to the kernel's pool; given back when dropped.
struct HugePages(u64);

impl HugePages {
    /// None where the kernel does not give as many.
    fn add() -> Option<Self> {
        let pages = Self(pool()?);
        fs::write(POOL, (pages.0 + NEEDED).to_string()).ok()?;
        (pool()? >= pages.0 + NEEDED).then_some(pages)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        let _ = fs::write(POOL, self.0.to_string());
    }
}

fn pool() -> Option<u64> {
    fs::read_to_string(POOL).ok()?.trim().parse().ok()
}

#[test]
fn huge_pages_survive() {
    let judge = judge_or_skip!();
    let pages = HugePages::add();
    need_or_skip!(pages.is_some(), "the kernel gives no huge pages");
    let program = Program::script("python3", "huge.py").restless();
    assert_resumes(&program, 3);
    assert_round_trip(judge, &program);
}
