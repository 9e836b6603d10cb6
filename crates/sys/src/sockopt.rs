//! Socket options by number: getsockopt(2) and setsockopt(2).
//!
//! rustix types the common options one by one; a dump needs many that it does
//! not have (repair mode, peek offsets, classic filters, buffer locks).

use std::os::fd::{AsFd, AsRawFd};

use linux_raw_sys::general::{__NR_getsockopt, __NR_setsockopt};
use linux_raw_sys::net::{SO_ATTACH_FILTER, SOL_SOCKET, SOL_TCP, TCP_ZEROCOPY_RECEIVE};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use crate::{Errno, raw};

/// The name under which getsockopt(2) returns the filter (`SO_GET_FILTER`,
/// include/uapi/asm-generic/socket.h).
const SO_GET_FILTER: u32 = SO_ATTACH_FILTER;

/// An option's place: its level and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockOpt {
    /// `SOL_SOCKET`, `SOL_TCP`, …
    pub level: u32,
    /// The option's number in that level.
    pub name: u32,
}

impl SockOpt {
    /// The option `name` of `level`.
    pub const fn new(level: u32, name: u32) -> Self {
        Self { level, name }
    }

    /// Whether the kernel writes beyond, or elsewhere than, the buffer it is
    /// given: the length of `SO_GET_FILTER` counts instructions and not bytes,
    /// the argument of `TCP_ZEROCOPY_RECEIVE` holds addresses.
    const fn is_indirect(self) -> bool {
        (self.level == SOL_SOCKET && self.name == SO_GET_FILTER)
            || (self.level == SOL_TCP && self.name == TCP_ZEROCOPY_RECEIVE)
    }
}

/// Reads an option whose value has exactly the size of `T`.
///
/// # Errors
///
/// The kernel's reason; EMSGSIZE where the kernel's value has another size.
pub fn get<T: FromBytes + IntoBytes>(fd: impl AsFd, opt: SockOpt) -> Result<T, Errno> {
    let mut value = T::new_zeroed();
    let buf = value.as_mut_bytes();
    let wanted = buf.len();
    if get_bytes(fd, opt, buf)? == wanted {
        Ok(value)
    } else {
        Err(Errno::MSGSIZE)
    }
}

/// Reads as much of an option as fits into `buf`; gives the number of bytes.
///
/// # Errors
///
/// The kernel's reason; EINVAL for options that hold addresses.
pub fn get_bytes(fd: impl AsFd, opt: SockOpt, buf: &mut [u8]) -> Result<usize, Errno> {
    if opt.is_indirect() {
        return Err(Errno::INVAL);
    }
    let mut len = u32::try_from(buf.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the option is not one of those whose length is no byte count, so
    // the kernel writes at most `len` bytes to `buf`, exclusively borrowed.
    unsafe { getsockopt(fd, opt, buf.as_mut_ptr() as u64, &mut len) }?;
    Ok((len as usize).min(buf.len()))
}

/// Sets an option.
///
/// # Errors
///
/// The kernel's reason.
pub fn set<T: IntoBytes + Immutable>(fd: impl AsFd, opt: SockOpt, value: &T) -> Result<(), Errno> {
    let bytes = value.as_bytes();
    let args = [
        fd.as_fd().as_raw_fd() as u64,
        u64::from(opt.level),
        u64::from(opt.name),
        bytes.as_ptr() as u64,
        bytes.len() as u64,
        0,
    ];
    // SAFETY: setsockopt(2) only reads: `bytes`, borrowed for the call, and
    // memory that addresses in it name, which the kernel checks.
    unsafe { raw::syscall(__NR_setsockopt, args) }.map(drop)
}

/// One instruction of a classic BPF program (`struct sock_filter`,
/// include/uapi/linux/filter.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct SockFilter {
    /// Operation code.
    pub code: u16,
    /// Instructions to skip where the test holds.
    pub jt: u8,
    /// Instructions to skip where it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Reads the classic filter that the program attached; empty where there is
/// none.
///
/// # Errors
///
/// The kernel's reason: EACCES where the filter is an eBPF program, which the
/// kernel does not give back.
pub fn filter(fd: impl AsFd) -> Result<Vec<SockFilter>, Errno> {
    let opt = SockOpt::new(SOL_SOCKET, SO_GET_FILTER);
    let mut count = 0;
    // SAFETY: with a length of 0 the kernel only reports the count
    // (sk_get_filter, net/core/filter.c).
    unsafe { getsockopt(&fd, opt, 0, &mut count) }?;
    let mut filter = vec![SockFilter::new_zeroed(); count as usize];
    if count == 0 {
        return Ok(filter);
    }
    let mut got = count;
    // SAFETY: the kernel writes at most `count` instructions, or fails with
    // EINVAL where the filter has grown; `filter` has room for `count`.
    unsafe { getsockopt(&fd, opt, filter.as_mut_ptr() as u64, &mut got) }?;
    filter.truncate(got as usize);
    Ok(filter)
}

/// # Safety
///
/// `addr` must be memory that the kernel may write for this option and `len`.
unsafe fn getsockopt(fd: impl AsFd, opt: SockOpt, addr: u64, len: &mut u32) -> Result<(), Errno> {
    let args = [
        fd.as_fd().as_raw_fd() as u64,
        u64::from(opt.level),
        u64::from(opt.name),
        addr,
        &raw mut *len as u64,
        0,
    ];
    // SAFETY: `len` is exclusively borrowed; `addr` is the caller's promise.
    unsafe { raw::syscall(__NR_getsockopt, args) }.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_raw_sys::net::{SO_RCVLOWAT, SO_TYPE, SOCK_DGRAM};
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn an_option_reads_back_as_it_was_set() {
        let sock = UnixDatagram::unbound().unwrap();
        let lowat = SockOpt::new(SOL_SOCKET, SO_RCVLOWAT);
        set(&sock, lowat, &7i32).unwrap();
        assert_eq!(get::<i32>(&sock, lowat), Ok(7));
        let kind = get::<u32>(&sock, SockOpt::new(SOL_SOCKET, SO_TYPE));
        assert_eq!(kind, Ok(SOCK_DGRAM));
    }

    #[test]
    fn an_option_of_another_size_is_an_error() {
        let sock = UnixDatagram::unbound().unwrap();
        let kind = SockOpt::new(SOL_SOCKET, SO_TYPE);
        assert_eq!(get::<u64>(&sock, kind), Err(Errno::MSGSIZE));
    }

    #[test]
    fn options_that_write_elsewhere_are_not_read_as_bytes() {
        let sock = UnixDatagram::unbound().unwrap();
        let opt = SockOpt::new(SOL_SOCKET, SO_GET_FILTER);
        assert_eq!(get::<u32>(&sock, opt), Err(Errno::INVAL));
    }

    #[test]
    fn a_socket_without_a_filter_has_an_empty_one() {
        let sock = UnixDatagram::unbound().unwrap();
        assert_eq!(filter(&sock), Ok(Vec::new()));
    }
}
