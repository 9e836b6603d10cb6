//! Reading BPF maps: bpf(2).

use std::os::fd::{AsRawFd, BorrowedFd};

use linux_raw_sys::general::__NR_bpf;

use crate::{Errno, raw};

// include/uapi/linux/bpf.h
const BPF_OBJ_GET_INFO_BY_FD: u64 = 15;
const BPF_MAP_LOOKUP_BATCH: u64 = 24;

/// The longest name of a map, its terminating zero included (`BPF_OBJ_NAME_LEN`).
pub const NAME_LEN: usize = 16;

/// The start of `struct bpf_map_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MapInfo {
    /// `BPF_MAP_TYPE_*`.
    pub kind: u32,
    /// The map's number, of the whole system.
    pub id: u32,
    /// Size of a key, in bytes.
    pub key_size: u32,
    /// Size of a value, in bytes.
    pub value_size: u32,
    /// How many entries it can have.
    pub max_entries: u32,
    /// What it was created with.
    pub map_flags: u32,
    /// Its name, ended by a zero.
    pub name: [u8; NAME_LEN],
    /// The network device it is offloaded to, or 0.
    pub ifindex: u32,
    _pad: u32,
}

/// `union bpf_attr` of `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// `union bpf_attr` of `BPF_MAP_LOOKUP_BATCH`.
#[repr(C)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// What a map is.
///
/// # Errors
///
/// EPERM without the right to use bpf(2).
pub fn map_info(fd: BorrowedFd<'_>) -> Result<MapInfo, Errno> {
    let mut info = MapInfo::default();
    let mut attr = InfoAttr {
        fd: fd.as_raw_fd() as u32,
        len: size_of::<MapInfo>() as u32,
        info: &raw mut info as u64,
    };
    let args = [
        BPF_OBJ_GET_INFO_BY_FD,
        &raw mut attr as u64,
        size_of::<InfoAttr>() as u64,
    ];
    // SAFETY: the kernel reads `attr`, of the size given, and writes at most `len` bytes at
    // `info`, which is that long. It also writes the length back, into `attr`.
    unsafe { raw::syscall(__NR_bpf, [args[0], args[1], args[2], 0, 0, 0]) }?;
    Ok(info)
}

/// The entries of a map: all keys, and all values in the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// How many.
    pub count: u32,
    /// The keys, one behind the other.
    pub keys: Vec<u8>,
    /// The values, one behind the other.
    pub values: Vec<u8>,
}

/// Reads all entries of a map that has one value for a key.
///
/// # Errors
///
/// EOPNOTSUPP for a map that cannot be read in batches, EOVERFLOW for one larger than the address
/// space, EPERM without the right to use bpf(2).
pub fn map_entries(fd: BorrowedFd<'_>, info: &MapInfo) -> Result<Entries, Errno> {
    let bytes = |size: u32| (size as usize).checked_mul(info.max_entries as usize);
    let mut keys = vec![0u8; bytes(info.key_size).ok_or(Errno::OVERFLOW)?];
    let mut values = vec![0u8; bytes(info.value_size).ok_or(Errno::OVERFLOW)?];
    // Where to go on, which for a hash is a bucket's number of 4 bytes whatever the key's size is.
    let mut position = vec![0u8; info.key_size.max(8) as usize];
    let mut attr = BatchAttr {
        in_batch: 0,
        out_batch: position.as_mut_ptr() as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: info.max_entries,
        fd: fd.as_raw_fd() as u32,
        elem_flags: 0,
        flags: 0,
    };
    let args = [
        BPF_MAP_LOOKUP_BATCH,
        &raw mut attr as u64,
        size_of::<BatchAttr>() as u64,
    ];
    // SAFETY: the kernel writes at most `count` keys and values of the map's sizes, for which
    // both buffers have room, a position of a key's size, and the number of entries into `attr`.
    match unsafe { raw::syscall(__NR_bpf, [args[0], args[1], args[2], 0, 0, 0]) } {
        // ENOENT: there were no more, which is where we want to get.
        Ok(_) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    let count = attr.count.min(info.max_entries);
    keys.truncate(count as usize * info.key_size as usize);
    values.truncate(count as usize * info.value_size as usize);
    Ok(Entries {
        count,
        keys,
        values,
    })
}
