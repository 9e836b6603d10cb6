//! Files that the kernel makes for events: eventfd, epoll, signalfd, timerfd, pidfd.

use crate::messages::FownEntry;

/// An eventfd(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct EventfdFileEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "3")]
    pub fown: FownEntry,
    /// Its counter.
    #[prost(uint64, required, tag = "4")]
    pub counter: u64,
}

/// An epoll(7) instance.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EventpollFileEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "3")]
    pub fown: FownEntry,
    /// What it watches.
    #[prost(message, repeated, tag = "4")]
    pub tfd: Vec<EventpollTfdEntry>,
}

/// A descriptor that an epoll instance watches, as its fdinfo shows it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EventpollTfdEntry {
    /// Id of the epoll file.
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// The descriptor's number.
    #[prost(uint32, required, tag = "2")]
    pub tfd: u32,
    /// Events waited for (`EPOLL*`).
    #[prost(uint32, required, tag = "3")]
    pub events: u32,
    /// The user's data.
    #[prost(uint64, required, tag = "4")]
    pub data: u64,
    /// Device of the file behind it.
    #[prost(uint32, optional, tag = "5")]
    pub dev: Option<u32>,
    /// Inode number of the file behind it.
    #[prost(uint64, optional, tag = "6")]
    pub inode: Option<u64>,
    /// Offset of the file behind it.
    #[prost(uint64, optional, tag = "7")]
    pub pos: Option<u64>,
}

/// A signalfd(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignalfdEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "3")]
    pub fown: FownEntry,
    /// The signals it takes, bit n-1 for signal n.
    #[prost(uint64, required, tag = "4")]
    pub sigmask: u64,
}

/// A timer of timerfd_create(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct TimerfdEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "3")]
    pub fown: FownEntry,
    /// Its clock (`CLOCK_*`).
    #[prost(uint32, required, tag = "4")]
    pub clockid: u32,
    /// Expirations not read yet.
    #[prost(uint64, required, tag = "5")]
    pub ticks: u64,
    /// Flags of timerfd_settime(2).
    #[prost(uint32, required, tag = "6")]
    pub settime_flags: u32,
    /// Time left until it fires, whole seconds.
    #[prost(uint64, required, tag = "7")]
    pub vsec: u64,
    /// Time left until it fires, nanoseconds.
    #[prost(uint64, required, tag = "8")]
    pub vnsec: u64,
    /// Interval, whole seconds.
    #[prost(uint64, required, tag = "9")]
    pub isec: u64,
    /// Interval, nanoseconds.
    #[prost(uint64, required, tag = "10")]
    pub insec: u64,
}

/// A pidfd_open(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct PidfdEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Inode number, the same for all that refer to one task.
    #[prost(uint32, required, tag = "2")]
    pub ino: u32,
    /// Flags of pidfd_open(2).
    #[prost(uint32, required, tag = "3")]
    pub flags: u32,
    /// Pid of the task in its own namespace; -1 when it is dead.
    #[prost(int32, required, tag = "4")]
    pub nspid: i32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "5")]
    pub fown: FownEntry,
}
