//! A bar for long page copies, on a terminal only.

use std::io::{IsTerminal, stderr};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use commensal_dump::Hooks;
use indicatif::{ProgressBar, ProgressStyle};

/// Copies shorter than this many bytes are over before a bar could be read.
const WORTH_A_BAR: u64 = 1 << 28;

/// Shows how far the copying of pages is.
#[derive(Default)]
pub struct Progress {
    bar: OnceLock<Option<Bar>>,
}

impl Hooks for Progress {
    fn pages(&self, done: u64, total: u64) {
        if let Some(bar) = self.bar.get_or_init(|| Bar::new(total)) {
            // One that cannot be drawn now is late already.
            let _ = bar.done.as_ref().map(|bar| bar.try_send(done));
        }
    }
}

/// What is drawn by a thread of its own: a terminal that is held (Ctrl-S) must not hold the tree.
struct Bar {
    done: Option<SyncSender<u64>>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    fn new(total: u64) -> Option<Self> {
        if total < WORTH_A_BAR || !stderr().is_terminal() {
            return None;
        }
        let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}")
            .expect("the template is well-formed");
        let (done, drawn) = sync_channel(1);
        let thread = thread::spawn(move || {
            let bar = ProgressBar::new(total).with_style(style);
            for done in drawn {
                bar.set_position(done);
            }
            bar.finish_and_clear();
        });
        Some(Self {
            done: Some(done),
            thread: Some(thread),
        })
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        drop(self.done.take());
        let cleared = self.thread.take().map(JoinHandle::join);
        drop(cleared);
    }
}
