//! Waiting for what another thread tells soon.

use std::sync::mpsc::{Receiver, RecvError, TryRecvError};
use std::thread::yield_now;
use std::time::{Duration, Instant};

/// How long to look again and again before sleeping until then: an idle processor takes some hundred
/// microseconds to wake up, and milliseconds where a hypervisor has given it away, as long as a small task takes
/// to copy.
const SPIN: Duration = Duration::from_micros(500);

/// What is told next, for the thread that traces and, until the tree is stopped, the one beside it: while others wait
/// for them, too, they had better sleep. `late` is called where it takes so long that it is slept for.
///
/// # Errors
///
/// Where nobody is left to tell it.
pub fn soon<T>(told: &Receiver<T>, late: impl FnOnce()) -> Result<T, RecvError> {
    let started = Instant::now();
    while started.elapsed() < SPIN {
        match told.try_recv() {
            Ok(told) => return Ok(told),
            Err(TryRecvError::Empty) => yield_now(),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
        }
    }
    late();
    told.recv()
}
