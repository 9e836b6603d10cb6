//! What only a task itself can say about itself.

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// How many signals there are (`_NSIG`, asm/signal.h).
pub const NSIG: usize = 64;

/// How many resource limits there are (`RLIM_NLIMITS`, asm/resource.h).
pub const RLIM_NLIMITS: usize = 16;

/// How many POSIX timers one request can ask for.
pub const MAX_POSIX_TIMERS: usize = 1024;

/// A signal action as the kernel keeps it (`struct sigaction`, rt_sigaction(2)).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct Sigaction {
    /// `SIG_DFL` (0), `SIG_IGN` (1) or the handler's address.
    pub handler: u64,
    /// `SA_*`.
    pub flags: u64,
    /// The restorer's address; 0 without `SA_RESTORER`.
    pub restorer: u64,
    /// The signals blocked while the handler runs.
    pub mask: u64,
}

/// An interval timer (`struct itimerval`, getitimer(2)): time in seconds and
/// microseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct Itimer {
    /// Seconds of the period.
    pub interval_sec: i64,
    /// Microseconds of the period.
    pub interval_usec: i64,
    /// Seconds until it fires next; 0 with `value_usec` 0: disarmed.
    pub value_sec: i64,
    /// Microseconds until it fires next.
    pub value_usec: i64,
}

/// A resource limit (`struct rlimit64`, prlimit(2)); `u64::MAX` is infinity.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct Rlimit {
    /// The soft limit.
    pub cur: u64,
    /// The hard limit.
    pub max: u64,
}

/// The answer to [`Command::Task`](crate::Command::Task).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct TaskInfo {
    /// Signal actions; `sigactions[n]` is signal `n + 1`. SIGKILL and SIGSTOP
    /// are zero.
    pub sigactions: [Sigaction; NSIG],
    /// Limits by their number (`RLIMIT_CPU` is 0).
    pub rlimits: [Rlimit; RLIM_NLIMITS],
    /// `ITIMER_REAL`, `ITIMER_VIRTUAL`, `ITIMER_PROF`.
    pub itimers: [Itimer; 3],
    /// The end of the heap: brk(2) with 0.
    pub brk: u64,
    /// PR_GET_DUMPABLE.
    pub dumpable: u32,
    /// PR_GET_CHILD_SUBREAPER.
    pub child_subreaper: u32,
    /// PR_GET_THP_DISABLE.
    pub thp_disable: u32,
    /// `MEMBARRIER_CMD_GET_REGISTRATIONS`: a mask of `MEMBARRIER_CMD_*`; or
    /// the negated errno on a kernel without it.
    pub membarrier: i32,
    /// PR_GET_MDWE: the memory-deny-write-execute mask; or a negated errno.
    pub mdwe: i32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

const_assert_eq!(size_of::<Sigaction>(), 32);
const_assert_eq!(size_of::<TaskInfo>(), 64 * 32 + 16 * 16 + 3 * 32 + 8 + 24);

/// One POSIX timer: the id goes in, the rest comes back.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct PosixTimer {
    /// The timer's id, as /proc/PID/timers has it.
    pub id: i32,
    /// timer_getoverrun(2), or a negated errno.
    pub overrun: i32,
    /// Seconds of the period.
    pub interval_sec: i64,
    /// Nanoseconds of the period.
    pub interval_nsec: i64,
    /// Seconds until it fires next; 0 with `value_nsec` 0: disarmed.
    pub value_sec: i64,
    /// Nanoseconds until it fires next.
    pub value_nsec: i64,
}

/// Question and answer of [`Command::PosixTimers`](crate::Command::PosixTimers).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PosixTimers {
    /// How many of `timers` are asked for.
    pub count: u32,
    /// Keeps the alignment.
    pub reserved: u32,
    /// The timers.
    pub timers: [PosixTimer; MAX_POSIX_TIMERS],
}

impl Default for TaskInfo {
    fn default() -> Self {
        Self::new_zeroed()
    }
}
