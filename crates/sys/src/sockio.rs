//! What a socket says of itself through ioctl(2).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use linux_raw_sys::general::__NR_ioctl;

use crate::{Errno, raw};

/// Bytes in the receive queue (tcp(7), `FIONREAD`).
const SIOCINQ: u32 = 0x541b;
/// Bytes in the send queue that the peer has not acknowledged (tcp(7)).
const SIOCOUTQ: u32 = 0x5411;
/// Bytes in the send queue that were never sent (include/uapi/linux/sockios.h).
const SIOCOUTQNSD: u32 = 0x894b;
/// Open the file of a bound Unix socket (include/uapi/linux/un.h).
const SIOCUNIXFILE: u32 = 0x89e0;
/// Open the network namespace of a socket (include/uapi/linux/sockios.h).
const SIOCGSKNS: u32 = 0x894c;

/// Bytes that can be read: of a stream all, of a datagram socket the first
/// datagram.
///
/// # Errors
///
/// EINVAL for a listening socket.
pub fn receive_queue(fd: impl AsFd) -> Result<u32, Errno> {
    int(fd, SIOCINQ)
}

/// Bytes written that the peer has not acknowledged yet.
///
/// # Errors
///
/// EINVAL for a listening socket.
pub fn send_queue(fd: impl AsFd) -> Result<u32, Errno> {
    int(fd, SIOCOUTQ)
}

/// Bytes written that were not sent yet.
///
/// # Errors
///
/// EINVAL for a listening socket.
pub fn unsent(fd: impl AsFd) -> Result<u32, Errno> {
    int(fd, SIOCOUTQNSD)
}

/// Opens, with O_PATH, the file a Unix socket is bound to; also where its name
/// has been removed since.
///
/// # Errors
///
/// ENOENT for a socket without a file, EPERM without CAP_NET_ADMIN.
pub fn unix_file(fd: impl AsFd) -> Result<OwnedFd, Errno> {
    open(fd, SIOCUNIXFILE)
}

/// Opens the network namespace a socket belongs to.
///
/// # Errors
///
/// EPERM without CAP_NET_ADMIN.
pub fn network_namespace(fd: impl AsFd) -> Result<OwnedFd, Errno> {
    open(fd, SIOCGSKNS)
}

fn int(fd: impl AsFd, request: u32) -> Result<u32, Errno> {
    let mut value = 0i32;
    let addr = &raw mut value as u64;
    // SAFETY: the requests above that come here write one int to `value`.
    unsafe { ioctl(fd, request, addr) }?;
    u32::try_from(value).map_err(|_| Errno::RANGE)
}

fn open(fd: impl AsFd, request: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: the requests above that come here take no argument.
    let new = unsafe { ioctl(fd, request, 0) }?;
    // SAFETY: the kernel has just installed this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(new as RawFd) })
}

/// # Safety
///
/// `arg` must be what `request` takes.
unsafe fn ioctl(fd: impl AsFd, request: u32, arg: u64) -> Result<u64, Errno> {
    let fd = fd.as_fd().as_raw_fd() as u64;
    // SAFETY: the argument is the caller's promise.
    unsafe { raw::syscall(__NR_ioctl, [fd, u64::from(request), arg, 0, 0, 0]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    #[test]
    fn queues_are_counted_in_bytes() {
        let (mut left, right) = UnixStream::pair().unwrap();
        left.write_all(b"seventeen bytes..").unwrap();
        assert_eq!(receive_queue(&right), Ok(17));
        assert_eq!(receive_queue(&left), Ok(0));
    }

    #[test]
    fn an_unbound_socket_has_no_file() {
        let sock = UnixDatagram::unbound().unwrap();
        assert_eq!(unix_file(&sock).unwrap_err(), Errno::NOENT);
    }
}
