//! Process and thread ids as types, so that one is never passed for the other.

use core::fmt;
use core::num::NonZeroI32;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroI32);

        impl $name {
            /// The id, if `raw` is one (positive); `None` otherwise.
            pub const fn new(raw: i32) -> Option<Self> {
                match NonZeroI32::new(raw) {
                    Some(id) if raw > 0 => Some(Self(id)),
                    _ => None,
                }
            }

            /// The id as the kernel's `pid_t`.
            pub const fn get(self) -> i32 {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// A process id: the id of a thread group, the same as its leader's [`Tid`].
    Pid
}

id! {
    /// A thread id, as gettid(2) gives it.
    Tid
}

impl Pid {
    /// The thread-group leader's thread id.
    pub const fn leader(self) -> Tid {
        Tid(self.0)
    }

    /// The same id as rustix has it, for its safe calls.
    pub fn to_rustix(self) -> rustix::process::Pid {
        rustix::process::Pid::from_raw(self.get()).expect("ids are positive")
    }
}

impl Tid {
    /// The same id as rustix has it, for its safe calls.
    pub fn to_rustix(self) -> rustix::process::Pid {
        rustix::process::Pid::from_raw(self.get()).expect("ids are positive")
    }
}
