//! What waits to be written: a thread of its own compresses it and writes it, so that neither
//! keeps the dump, and with it the target, longer than the queue is full.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::output::{Compression, Output};

/// Bytes that may wait: what the dumper's memory grows by.
const ROOM: usize = 16 << 20;

/// How often somebody who waits asks whether to give up.
const ASK_INTERVAL: Duration = Duration::from_millis(20);

/// Tells whether a stream that its reader does not read is to be given up.
pub type GiveUp = Box<dyn Fn() -> bool + Send + Sync>;

/// The queue's end at the dump. The thread behind it ends with the stream or with this.
pub struct Queue {
    shared: Arc<Shared>,
    give_up: GiveUp,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was put in, or taken out, or the state changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// Bytes that wait.
    bytes: usize,
    /// The writer is at an item.
    busy: bool,
    failed: Option<io::Error>,
    /// There is nobody to write for, or nothing more to write.
    closed: bool,
}

enum Item {
    Bytes(Vec<u8>),
    Flush,
    Finish,
}

impl Queue {
    /// Starts a writer to `inner`.
    pub fn start(
        inner: impl Write + Send + 'static,
        compression: Compression,
        give_up: GiveUp,
    ) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("image stream".into())
            .spawn(move || writer.write(Output::new(inner, compression)))?;
        Ok(Self { shared, give_up })
    }

    /// Puts bytes in, as soon as there is room.
    pub fn put(&self, bytes: Vec<u8>) -> io::Result<()> {
        let mut state = self.wait_until(|state| state.bytes < ROOM)?;
        state.bytes += bytes.len();
        state.waiting.push_back(Item::Bytes(bytes));
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until all has been written.
    pub fn flush(&self) -> io::Result<()> {
        self.through(Item::Flush)
    }

    /// Waits until all has been written and the stream has ended.
    pub fn finish(self) -> io::Result<()> {
        self.through(Item::Finish)
    }

    fn through(&self, item: Item) -> io::Result<()> {
        self.shared.lock().waiting.push_back(item);
        self.shared.changed.notify_all();
        let through = self.wait_until(|state| state.waiting.is_empty() && !state.busy);
        through.map(drop)
    }

    /// Waits for a state of the queue; for an error of the writer, too, and for being given up.
    fn wait_until(&self, ready: impl Fn(&State) -> bool) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.shared.lock();
        loop {
            if let Some(error) = &state.failed {
                return Err(again(error));
            }
            if ready(&state) {
                return Ok(state);
            }
            if (self.give_up)() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            state = self.shared.wait(state);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // The writer may be in a write that never ends: it is not waited for.
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.state.lock();
        state.unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<'s>(&'s self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        let waited = self.changed.wait_timeout(state, ASK_INTERVAL);
        waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0
    }

    /// The writer: takes what waits until the end or an error.
    fn write<W: Write>(&self, mut output: Output<W>) {
        while let Some(item) = self.take() {
            let result = match item {
                Item::Bytes(bytes) => output.write(&bytes),
                Item::Flush => output.flush(),
                Item::Finish => {
                    let result = output.finish();
                    return self.done(result);
                }
            };
            let failed = result.is_err();
            self.done(result);
            if failed {
                return;
            }
        }
    }

    /// The next item; none where nobody will put one in.
    fn take(&self) -> Option<Item> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(item) = state.waiting.pop_front() {
                if let Item::Bytes(bytes) = &item {
                    state.bytes -= bytes.len();
                }
                state.busy = true;
                self.changed.notify_all();
                return Some(item);
            }
            state = self.wait(state);
        }
    }

    fn done(&self, result: io::Result<()>) {
        let mut state = self.lock();
        state.busy = false;
        state.failed = result.err();
        self.changed.notify_all();
    }
}

/// The same error, for one more who waits for the writer.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
