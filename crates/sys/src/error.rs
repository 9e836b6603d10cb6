//! The error of a system call that was made for, or in, another process.

use crate::Errno;

/// A system call that failed, the task it was made for and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} of {id}: {errno}")]
pub struct Error {
    /// The call, as its man page names it (`PTRACE_SEIZE`, `process_vm_readv`).
    pub call: &'static str,
    /// The process or thread it was made for.
    pub id: i32,
    /// The kernel's reason.
    pub errno: Errno,
}

/// The result of a system call made for another process.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    /// The error of `call` made for the process or thread `id`.
    pub const fn new(call: &'static str, id: i32, errno: Errno) -> Self {
        Self { call, id, errno }
    }

    /// The error of a call that the task itself made, as it tells it: a negated errno. It may tell
    /// anything; what is no errno becomes EPROTO.
    pub fn told(call: &'static str, id: i32, negated: i32) -> Self {
        /// Negated, the largest errno there is (`MAX_ERRNO`, linux/err.h).
        const LEAST: i32 = -4095;
        let errno = match negated {
            LEAST..=-1 => Errno::from_raw_os_error(-negated),
            _ => Errno::PROTO,
        };
        Self::new(call, id, errno)
    }

    /// Whether the task was gone when the call was made (ESRCH).
    pub fn is_gone(&self) -> bool {
        self.errno == Errno::SRCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_tells_is_an_errno_or_a_lie() {
        let of = |negated| Error::told("prctl", 1, negated).errno;
        assert_eq!(of(-22), Errno::INVAL);
        for lie in [0, 1, -4096, i32::MIN, i32::MAX] {
            assert_eq!(of(lie), Errno::PROTO, "{lie}");
        }
    }
}
