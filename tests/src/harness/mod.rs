//! What a test does: start a program, dump it, look at it from outside.

mod dumper;
mod look;
pub mod pages;
pub mod paths;
pub mod process;
mod program;
pub mod reaper;
mod round_trip;
mod target;
mod terminals;

pub use dumper::{Dump, DumpFailure, Dumper, Then, looks_complete};
pub use look::Look;
pub use program::Program;
pub use round_trip::{
    assert_loss_is_told, assert_refused, assert_resumes, assert_resumes_with, assert_round_trip,
    assert_survives, assert_unchanged,
};
pub use target::Target;
pub use terminals::Terminals;

use std::time::{Duration, Instant};

/// How long a test waits for something that is due at any moment.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Wait until `ready` gives something.
///
/// # Panics
///
/// After [`PATIENCE`], naming what was awaited.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
