//! What a descriptor of `/dev/net/tun` says of itself and of the network device behind it
//! (Documentation/networking/tuntap.rst).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use linux_raw_sys::general::__NR_ioctl;
use linux_raw_sys::ioctl::{
    TUNGETDEVNETNS, TUNGETFILTER, TUNGETIFF, TUNGETSNDBUF, TUNGETVNETHDRSZ, TUNGETVNETLE,
};

use crate::{Errno, raw};

/// Asks for a setting of an interface (include/uapi/linux/sockios.h).
const SIOCETHTOOL: u32 = 0x8946;
/// `ETHTOOL_GTXCSUM` (include/uapi/linux/ethtool.h).
const GET_TX_CHECKSUM: u32 = 0x16;
/// The length of a name, its NUL included (`IFNAMSIZ`).
const NAME: usize = 16;

/// `struct ifreq` (netdevice(7)), with flags.
#[repr(C)]
#[derive(Default)]
struct Flags {
    name: [u8; NAME],
    flags: u16,
    rest: [u8; 22],
}

/// `struct ifreq` (netdevice(7)), with an address.
#[repr(C)]
struct Data {
    name: [u8; NAME],
    address: u64,
    rest: [u8; 16],
}

/// `struct sock_fprog` (include/uapi/linux/filter.h).
#[repr(C)]
#[derive(Default)]
struct Program {
    len: u16,
    address: u64,
}

/// `struct ethtool_value` (include/uapi/linux/ethtool.h).
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// The network device that a descriptor is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: Vec<u8>,
    /// Its `IFF_*` flags and those of the descriptor (include/uapi/linux/if_tun.h). The bit of
    /// `IFF_NO_PI` says nothing: it is set, too, where the descriptor has no filter.
    pub flags: u16,
}

/// The device behind a descriptor; `None` where none is.
///
/// # Errors
///
/// Those of ioctl(2).
pub fn device(fd: BorrowedFd<'_>) -> Result<Option<Device>, Errno> {
    let mut request = Flags::default();
    // SAFETY: TUNGETIFF writes one `struct ifreq`, 40 bytes.
    match unsafe { ioctl(fd, TUNGETIFF, &raw mut request as u64) } {
        Ok(_) => Ok(Some(Device {
            name: until_nul(&request.name),
            flags: request.flags,
        })),
        Err(Errno::BADFD) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The length of the header in front of each packet (`IFF_VNET_HDR`), in bytes.
///
/// # Errors
///
/// EBADFD without a device.
pub fn header_length(fd: BorrowedFd<'_>) -> Result<i32, Errno> {
    int(fd, TUNGETVNETHDRSZ)
}

/// How much may be on the way, in bytes.
///
/// # Errors
///
/// EBADFD without a device.
pub fn send_buffer(fd: BorrowedFd<'_>) -> Result<i32, Errno> {
    int(fd, TUNGETSNDBUF)
}

/// Whether a tap device has a packet filter (`TUNATTACHFILTER`).
///
/// # Errors
///
/// EINVAL for a tun device, EBADFD without a device.
pub fn has_filter(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut program = Program::default();
    // SAFETY: TUNGETFILTER writes one `struct sock_fprog`, 16 bytes; what it points to is memory
    // of whoever attached the filter and is not looked at.
    unsafe { ioctl(fd, TUNGETFILTER, &raw mut program as u64) }?;
    Ok(program.len > 0)
}

/// Whether the header was said to be of little-endian numbers whatever the machine has.
///
/// # Errors
///
/// EBADFD without a device.
pub fn is_little_endian(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(int(fd, TUNGETVNETLE)? != 0)
}

/// Opens the network namespace that the device is in.
///
/// # Errors
///
/// EPERM without CAP_NET_ADMIN there, EBADFD without a device.
pub fn network_namespace(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: TUNGETDEVNETNS takes no argument.
    let new = unsafe { ioctl(fd, TUNGETDEVNETNS, 0) }?;
    // SAFETY: the kernel has just installed this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(new as RawFd) })
}

/// Whether the interface of this name leaves checksums to whoever takes its packets
/// (`TUN_F_CSUM`); `socket` is any of its network namespace.
///
/// # Errors
///
/// ENODEV where there is no such interface.
pub fn offloads_checksums(socket: BorrowedFd<'_>, name: &[u8]) -> Result<bool, Errno> {
    let mut value = Value {
        command: GET_TX_CHECKSUM,
        data: 0,
    };
    let mut request = Data {
        name: [0; NAME],
        address: &raw mut value as u64,
        rest: [0; 16],
    };
    let room = request.name.get_mut(..name.len()).ok_or(Errno::NODEV)?;
    room.copy_from_slice(name);
    // SAFETY: SIOCETHTOOL reads one `struct ifreq`, 40 bytes, and for this command writes one
    // `struct ethtool_value` to its address.
    unsafe { ioctl(socket, SIOCETHTOOL, &raw mut request as u64) }?;
    Ok(value.data != 0)
}

fn until_nul(name: &[u8]) -> Vec<u8> {
    name.split(|byte| *byte == 0)
        .next()
        .unwrap_or_default()
        .to_vec()
}

fn int(fd: BorrowedFd<'_>, request: u32) -> Result<i32, Errno> {
    let mut value = 0i32;
    // SAFETY: the requests above that come here write one int to `value`.
    unsafe { ioctl(fd, request, &raw mut value as u64) }?;
    Ok(value)
}

/// # Safety
///
/// `arg` must be what `request` takes.
unsafe fn ioctl(fd: BorrowedFd<'_>, request: u32, arg: u64) -> Result<u64, Errno> {
    let fd = fd.as_raw_fd() as u64;
    // SAFETY: the argument is the caller's promise.
    unsafe { raw::syscall(__NR_ioctl, [fd, u64::from(request), arg, 0, 0, 0]) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn requests_are_as_long_as_the_kernel_takes_them() {
        assert_eq!(size_of::<Flags>(), 40);
        assert_eq!(size_of::<Data>(), 40);
        assert_eq!(size_of::<Program>(), 16);
        assert_eq!(size_of::<Value>(), 8);
    }

    #[test]
    fn other_files_and_names_are_errors() {
        let socket = UnixDatagram::unbound().unwrap();
        assert!(device(socket.as_fd()).is_err());
        assert!(offloads_checksums(socket.as_fd(), b"a name that is too long").is_err());
        assert_eq!(until_nul(b"lo\0\0"), b"lo");
    }
}
