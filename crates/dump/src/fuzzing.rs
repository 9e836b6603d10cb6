//! What the fuzz targets call; no part of the API.
//!
//! Each function must come back, whatever the bytes are.

use commensal_abi::{PosixTimer, TaskInfo};
use commensal_sys::Pid;
use zerocopy::FromBytes;

use crate::task::xsave::{self, Layout};
use crate::task::{signals, timers};
use crate::{files, proc};

/// Gives the bytes to every parser of a text of proc(5).
pub fn proc_text(bytes: &[u8]) {
    proc::fuzzing::text(bytes);
    files::fuzzing::text(bytes);
}

/// Takes the bytes for what the parasite says of its task and of its timers.
pub fn parasite_says(bytes: &[u8]) {
    let Ok((inside, rest)) = TaskInfo::read_from_prefix(bytes) else {
        return;
    };
    let pid = Pid::new(1).expect("ids are positive");
    let count = rest.len() / size_of::<PosixTimer>();
    let answers: Vec<PosixTimer> = rest
        .chunks_exact(size_of::<PosixTimer>())
        .filter_map(|bytes| PosixTimer::read_from_bytes(bytes).ok())
        .collect();
    assert_eq!(answers.len(), count);
    let listed: Vec<_> = answers
        .iter()
        .map(|answer| proc::Timer {
            id: answer.id,
            signal: 0,
            value: 0,
            notify: 0,
            thread: None,
            clock: 0,
        })
        .collect();
    let _ = timers::entry(pid, &inside.itimers, &listed, &answers);
    assert!(signals::actions(&inside.sigactions).len() <= inside.sigactions.len());
}

/// Takes the bytes for a thread's extended state, as ptrace(2) gives it.
pub fn extended_state(bytes: &[u8]) {
    let split = xsave::split(bytes, &Layout::of_this_processor());
    assert_eq!(split.is_some(), bytes.len() >= 576);
}
