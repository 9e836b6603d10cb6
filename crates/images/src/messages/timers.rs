//! Timers and times.

/// The timers of a task.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskTimersEntry {
    /// `ITIMER_REAL`.
    #[prost(message, required, tag = "1")]
    pub real: ItimerEntry,
    /// `ITIMER_VIRTUAL`.
    #[prost(message, required, tag = "2")]
    pub virt: ItimerEntry,
    /// `ITIMER_PROF`.
    #[prost(message, required, tag = "3")]
    pub prof: ItimerEntry,
    /// Timers of timer_create(2).
    #[prost(message, repeated, tag = "4")]
    pub posix: Vec<PosixTimerEntry>,
}

/// An interval timer, see getitimer(2); all zero when it is not armed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ItimerEntry {
    /// Interval, whole seconds.
    #[prost(uint64, required, tag = "1")]
    pub isec: u64,
    /// Interval, microseconds.
    #[prost(uint64, required, tag = "2")]
    pub iusec: u64,
    /// Time left until it fires, whole seconds.
    #[prost(uint64, required, tag = "3")]
    pub vsec: u64,
    /// Time left until it fires, microseconds.
    #[prost(uint64, required, tag = "4")]
    pub vusec: u64,
}

/// A POSIX timer, see timer_create(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct PosixTimerEntry {
    /// The timer's id.
    #[prost(uint32, required, tag = "1")]
    pub it_id: u32,
    /// Its clock (`CLOCK_*`).
    #[prost(uint32, required, tag = "2")]
    pub clock_id: u32,
    /// The signal that it sends.
    #[prost(uint32, required, tag = "3")]
    pub si_signo: u32,
    /// How it notifies (`SIGEV_*`).
    #[prost(uint32, required, tag = "4")]
    pub it_sigev_notify: u32,
    /// The value that comes with the signal.
    #[prost(uint64, required, tag = "5")]
    pub sival_ptr: u64,
    /// Expirations that were missed, see timer_getoverrun(2).
    #[prost(uint32, required, tag = "6")]
    pub overrun: u32,
    /// Interval, whole seconds.
    #[prost(uint64, required, tag = "7")]
    pub isec: u64,
    /// Interval, nanoseconds.
    #[prost(uint64, required, tag = "8")]
    pub insec: u64,
    /// Time left until it fires, whole seconds.
    #[prost(uint64, required, tag = "9")]
    pub vsec: u64,
    /// Time left until it fires, nanoseconds.
    #[prost(uint64, required, tag = "10")]
    pub vnsec: u64,
    /// The thread to notify, with `SIGEV_THREAD_ID`.
    #[prost(int32, optional, tag = "11")]
    pub notify_thread_id: Option<i32>,
}

/// Seconds and microseconds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timeval {
    /// Whole seconds.
    #[prost(uint64, required, tag = "1")]
    pub tv_sec: u64,
    /// Microseconds.
    #[prost(uint64, required, tag = "2")]
    pub tv_usec: u64,
}

/// Seconds and nanoseconds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timespec {
    /// Whole seconds.
    #[prost(uint64, required, tag = "1")]
    pub tv_sec: u64,
    /// Nanoseconds.
    #[prost(uint64, required, tag = "2")]
    pub tv_nsec: u64,
}
