//! A bar for long page copies, on a terminal only.

use std::io::{IsTerminal, stderr};
use std::sync::OnceLock;

use commensal_dump::Hooks;
use indicatif::{ProgressBar, ProgressStyle};

/// Copies shorter than this many bytes are over before a bar could be read.
const WORTH_A_BAR: u64 = 1 << 28;

/// Shows how far the copying of pages is.
#[derive(Default)]
pub struct Progress {
    bar: OnceLock<ProgressBar>,
}

impl Hooks for Progress {
    fn pages(&self, done: u64, total: u64) {
        let bar = self.bar.get_or_init(|| new_bar(total));
        bar.set_position(done);
        if done >= total {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(total: u64) -> ProgressBar {
    if total < WORTH_A_BAR || !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}")
        .expect("the template is well-formed");
    ProgressBar::new(total).with_style(style)
}
