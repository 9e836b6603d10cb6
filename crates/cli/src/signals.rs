//! Ctrl-C and its like give a dump up instead of ending the program in the middle of it.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use commensal_dump::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// The signals that ask for a dump to be given up, caught from now on.
pub struct Signals {
    last: Arc<AtomicUsize>,
}

impl Signals {
    /// Catches SIGINT, SIGTERM and SIGHUP: each sets `cancel`. One that is ignored stays so, as
    /// nohup(1) wants it.
    pub fn catch(cancel: &Cancel) -> io::Result<Self> {
        let last = Arc::new(AtomicUsize::new(0));
        let ignored = ignored()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if ignored >> (signal - 1) & 1 == 1 {
                continue;
            }
            flag::register_usize(signal, Arc::clone(&last), signal as usize)?;
            flag::register(signal, cancel.flag())?;
        }
        Ok(Self { last })
    }

    /// The exit status of a shell whose command was ended by the signal that came, if one did.
    pub fn exit_status(&self) -> Option<u8> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            signal => u8::try_from(128 + signal).ok(),
        }
    }
}

/// The signals that we ignore, a bit each from SIGHUP's at 0 on.
fn ignored() -> io::Result<u64> {
    // More than it has, and the size is not known: two calls instead of eight.
    let mut status = String::with_capacity(16 << 10);
    File::open("/proc/self/status")?.read_to_string(&mut status)?;
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .ok_or_else(|| io::Error::other("/proc/self/status has no SigIgn"))
}
