//! What an epoll instance says of itself: ioctl_eventpoll(2).

use std::os::fd::{AsFd, AsRawFd};

use linux_raw_sys::general::__NR_ioctl;

use crate::{Errno, raw};

/// Read how an instance polls busily (include/uapi/linux/eventpoll.h).
const EPIOCGPARAMS: u32 = 0x8008_8a02;

/// How an instance polls network devices while somebody waits for it (`struct epoll_params`); all
/// zero in a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BusyPoll {
    /// How long, in microseconds.
    pub usecs: u32,
    /// How many packets at a time.
    pub budget: u16,
    /// Whether interrupts of the device are put off meanwhile.
    pub prefer: u8,
    padding: u8,
}

/// How the instance polls busily.
///
/// # Errors
///
/// ENOTTY before Linux 6.9, EOPNOTSUPP where the kernel does not poll busily.
pub fn busy_poll(epoll: impl AsFd) -> Result<BusyPoll, Errno> {
    let mut params = BusyPoll::default();
    let fd = epoll.as_fd().as_raw_fd() as u64;
    let args = [fd, EPIOCGPARAMS.into(), &raw mut params as u64, 0, 0, 0];
    // SAFETY: ioctl_eventpoll(2): the request writes one `struct epoll_params` to `params`.
    unsafe { raw::syscall(__NR_ioctl, args) }?;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_instance_does_not_poll_busily() {
        let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC);
        let asked = busy_poll(epoll.unwrap());
        assert!(
            matches!(asked, Ok(params) if params == BusyPoll::default())
                || matches!(asked, Err(Errno::NOTTY | Errno::OPNOTSUPP)),
            "{asked:?}"
        );
    }
}
