//! Ctrl-C and its like give a dump up instead of ending the program in the middle of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use commensal_dump::Cancel;
use commensal_sys::signal::is_ignored;
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
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if is_ignored(signal).map_err(|error| io::Error::from(error.errno))? {
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
