//! Reading a socket's queue without taking anything out: recvmsg(2), MSG_PEEK.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use linux_raw_sys::general::__NR_recvmsg;
use linux_raw_sys::net::{
    MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, SCM_RIGHTS, SOL_SOCKET,
};

use crate::{Errno, raw};

/// Room for the control data of one message, in words of 8 bytes: the most
/// descriptors one message can carry (`SCM_MAX_FD`, 253) and the other kinds.
const CONTROL_WORDS: usize = 256;
/// Room for an address (`struct sockaddr_storage`), in bytes.
const ADDRESS: usize = 128;
/// The length of the family in front of an address (`sa_family_t`), in bytes.
const FAMILY: usize = 2;
/// The size of `struct cmsghdr` (cmsg(3)) on a 64-bit kernel, in bytes.
const CMSGHDR_LEN: usize = 16;

/// A message that is still in the queue.
#[derive(Debug)]
pub struct Peeked {
    /// The bytes that were copied to the caller's buffer.
    pub len: usize,
    /// Whether the message is longer than the buffer.
    pub truncated: bool,
    /// Duplicates of the descriptors in flight with it (SCM_RIGHTS).
    pub rights: Vec<OwnedFd>,
    /// The address of its sender, behind the family; empty where it has none, and of streams.
    pub sender: Vec<u8>,
    /// Level and type of each other piece of control data, as credentials.
    pub other_control: Vec<(u32, u32)>,
}

/// `struct msghdr` (recvmsg(2)).
#[repr(C)]
struct Msghdr {
    name: u64,
    name_len: u64,
    iov: u64,
    iov_len: u64,
    control: u64,
    control_len: u64,
    flags: u64,
}

/// `struct iovec` (readv(2)).
#[repr(C)]
struct Iovec {
    base: u64,
    len: u64,
}

/// Copies the next message, or the stream's bytes up to the next descriptors
/// in flight, without taking it out of the queue. Where the next begins is the
/// socket's peek offset (`SO_PEEK_OFF`, socket(7)).
///
/// # Errors
///
/// EAGAIN where nothing is left; EMSGSIZE where the control data was cut.
pub fn peek(fd: impl AsFd, buf: &mut [u8]) -> Result<Peeked, Errno> {
    let mut control = [0u64; CONTROL_WORDS];
    let mut name = [0u8; ADDRESS];
    let iov = Iovec {
        base: buf.as_mut_ptr() as u64,
        len: buf.len() as u64,
    };
    let mut msg = Msghdr {
        name: name.as_mut_ptr() as u64,
        name_len: ADDRESS as u64,
        iov: &raw const iov as u64,
        iov_len: 1,
        control: control.as_mut_ptr() as u64,
        control_len: size_of_val(&control) as u64,
        flags: 0,
    };
    let flags = MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
    let args = [
        fd.as_fd().as_raw_fd() as u64,
        &raw mut msg as u64,
        u64::from(flags),
        0,
        0,
        0,
    ];
    // SAFETY: recvmsg(2) writes to `msg`, to `buf` through `iov`, to `name` and
    // to `control`, each exclusively borrowed and of the length given.
    let len = unsafe { raw::syscall(__NR_recvmsg, args) }?;
    let control_len = (msg.control_len as usize).min(size_of_val(&control));
    let bytes = &zerocopy::IntoBytes::as_bytes(&control)[..control_len];
    let (rights, other_control) = parse(bytes);
    // What was installed is owned by now, so an error leaks nothing.
    if msg.flags as u32 & MSG_CTRUNC != 0 {
        return Err(Errno::MSGSIZE);
    }
    // An `int`, with padding behind it.
    let name_len = (msg.name_len as u32 as usize).min(ADDRESS);
    let sender = name[..name_len].get(FAMILY..).unwrap_or_default().to_vec();
    Ok(Peeked {
        sender,
        len: (len as usize).min(buf.len()),
        truncated: msg.flags as u32 & MSG_TRUNC != 0,
        rights,
        other_control,
    })
}

/// Splits control data that the kernel has just written (cmsg(3)).
fn parse(mut control: &[u8]) -> (Vec<OwnedFd>, Vec<(u32, u32)>) {
    let mut rights = Vec::new();
    let mut other = Vec::new();
    while let Some((header, _)) = control.split_at_checked(CMSGHDR_LEN) {
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let len = word(0) as usize;
        let Some(data) = control.get(CMSGHDR_LEN..len) else {
            break;
        };
        if (word(8), word(12)) == (SOL_SOCKET, SCM_RIGHTS) {
            for fd in data.chunks_exact(size_of::<RawFd>()) {
                let fd = RawFd::from_ne_bytes([fd[0], fd[1], fd[2], fd[3]]);
                // SAFETY: this control message says that the kernel installed
                // the descriptor for this call; it is taken here only.
                rights.push(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        } else {
            other.push((word(8), word(12)));
        }
        control = control.get(len.next_multiple_of(8)..).unwrap_or_default();
    }
    (rights, other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixDatagram, UnixStream};

    #[test]
    fn peeking_takes_nothing_out() {
        let (mut left, mut right) = UnixStream::pair().unwrap();
        left.write_all(b"abc").unwrap();
        let mut buf = [0; 8];
        for _ in 0..2 {
            assert_eq!(peek(&right, &mut buf).unwrap().len, 3);
        }
        let mut read = [0; 3];
        right.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"abc");
        assert_eq!(peek(&right, &mut buf).unwrap_err(), Errno::AGAIN);
    }

    #[test]
    fn a_datagram_longer_than_the_buffer_says_so() {
        let (left, right) = UnixDatagram::pair().unwrap();
        left.send(b"0123456789").unwrap();
        let got = peek(&right, &mut [0; 4]).unwrap();
        assert_eq!((got.len, got.truncated), (4, true));
    }

    #[test]
    fn a_datagram_tells_its_sender() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        let bound = |name: &str| {
            let name = format!("{name}-{}", std::process::id());
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            (UnixDatagram::bind_addr(&address).unwrap(), address)
        };
        let ((receiver, to), (named, from)) = (bound("receiver"), bound("sender"));
        let senders = [UnixDatagram::unbound().unwrap(), named];
        let wanted = [
            Vec::new(),
            [b"\0", from.as_abstract_name().unwrap()].concat(),
        ];
        for (sender, wanted) in senders.iter().zip(wanted) {
            sender.send_to_addr(b"x", &to).unwrap();
            assert_eq!(peek(&receiver, &mut [0; 4]).unwrap().sender, wanted);
            receiver.recv(&mut [0; 4]).unwrap();
        }
    }

    #[test]
    fn descriptors_in_flight_are_duplicated() {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        let (left, right) = UnixDatagram::pair().unwrap();
        let (mut probe, end) = UnixStream::pair().unwrap();
        let mut space = [std::mem::MaybeUninit::uninit(); 64];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [end.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        let data = [std::io::IoSlice::new(b"x")];
        sendmsg(&left, &data, &mut control, SendFlags::empty()).unwrap();
        drop(end);
        for _ in 0..2 {
            let got = peek(&right, &mut [0; 4]).unwrap();
            let mut end = UnixStream::from(got.rights.into_iter().next().unwrap());
            end.write_all(b"!").unwrap();
            let mut read = [0; 1];
            probe.read_exact(&mut read).unwrap();
        }
    }
}
