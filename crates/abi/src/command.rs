//! Command numbers and the messages that carry them.

use static_assertions::{assert_eq_size, const_assert_eq};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Changes whenever a layout of this crate does.
pub const PROTOCOL_VERSION: u32 = 3;

/// What the parasite can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Command {
    /// Answer with [`PROTOCOL_VERSION`] as the value.
    Ping = 1,
    /// Fill in the area's [`TaskInfo`](crate::TaskInfo).
    Task = 2,
    /// Fill in the area's [`ThreadInfo`](crate::ThreadInfo), for the thread
    /// that runs the parasite.
    Thread = 3,
    /// Complete the [`PosixTimers`](crate::PosixTimers) in the area.
    PosixTimers = 4,
    /// Complete the [`Descriptors`](crate::Descriptors) in the area.
    Descriptors = 5,
    /// All of these in one go; [`Statuses`](crate::Statuses) says how each went.
    Survey = 6,
}

impl Command {
    /// The command's name, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Task => "the state of the task",
            Self::Thread => "the state of the thread",
            Self::PosixTimers => "the POSIX timers",
            Self::Descriptors => "the descriptors",
            Self::Survey => "all that it is asked",
        }
    }

    /// The command with this number, if there is one.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::Ping,
            2 => Self::Task,
            3 => Self::Thread,
            4 => Self::PosixTimers,
            5 => Self::Descriptors,
            6 => Self::Survey,
            _ => return None,
        })
    }
}

/// A message to the daemon.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Request {
    /// A [`Command`].
    pub command: u32,
    /// Counts the requests; the reply repeats it.
    pub sequence: u32,
}

/// The daemon's answer.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Reply {
    /// The command that was carried out.
    pub command: u32,
    /// The request's number.
    pub sequence: u32,
    /// 0, or the negated errno of the first system call that failed.
    pub status: i32,
    /// The command's value, where it has one.
    pub value: u32,
}

assert_eq_size!(Request, [u8; 8]);
assert_eq_size!(Reply, [u8; 16]);
const_assert_eq!(align_of::<Reply>(), 4);
