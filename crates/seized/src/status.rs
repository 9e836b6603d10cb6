//! A thread's line items of `/proc/PID/task/TID/status` (proc_pid_status(5)).
//!
//! Own code, not the procfs crate: it needs a few of some sixty fields, once
//! for every thread.

use std::io::ErrorKind;

use commensal_sys::{Errno, Pid, Tid};

use crate::Error;
use crate::maps::text;

/// What a thread's seccomp mode is (seccomp(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seccomp {
    #[default]
    Off,
    Strict,
    Filter,
}

/// The fields that are of interest for seizing a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    state: u8,
    pub(crate) tracer: i32,
    pub(crate) seccomp: Seccomp,
    /// How many threads its task has, ended ones included that nobody has
    /// taken note of.
    pub(crate) threads: usize,
    /// How often it went to sleep so far.
    pub(crate) switches: u64,
}

impl Status {
    /// Reads them; `None` where there is no such thread any more.
    pub(crate) fn read(pid: Pid, tid: Tid) -> Result<Option<Self>, Error> {
        let path = format!("/proc/{pid}/task/{tid}/status");
        match text(&path) {
            Ok(text) => Ok(Some(Self::parse(&text))),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) if source.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(None),
            Err(source) => Err(Error::Proc { path, source }),
        }
    }

    /// The thread's name is escaped, so no line is but what it seems.
    fn parse(text: &[u8]) -> Self {
        let mut status = Self::default();
        for line in text.split(|&byte| byte == b'\n') {
            let Ok(line) = str::from_utf8(line) else {
                continue;
            };
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim_start();
            match name {
                "State" => status.state = value.bytes().next().unwrap_or_default(),
                "TracerPid" => status.tracer = value.parse().unwrap_or_default(),
                "Seccomp" => {
                    status.seccomp = match value {
                        "0" => Seccomp::Off,
                        "1" => Seccomp::Strict,
                        _ => Seccomp::Filter,
                    }
                }
                "Threads" => status.threads = value.parse().unwrap_or_default(),
                "voluntary_ctxt_switches" => status.switches = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        status
    }

    /// Whether it is a zombie, or dead.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Whether no signal wakes it up.
    pub(crate) fn is_uninterruptible(&self) -> bool {
        self.state == b'D'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let text = b"Name:\ta\\nState:\tZ\nState:\tD (disk sleep)\nTracerPid:\t77\n\
                     Seccomp:\t2\nSeccomp_filters:\t1\nvoluntary_ctxt_switches:\t5\n";
        let status = Status::parse(text);
        assert!(status.is_uninterruptible() && !status.has_ended());
        assert_eq!((status.tracer, status.switches), (77, 5));
        assert_eq!(status.seccomp, Seccomp::Filter);
    }
}
