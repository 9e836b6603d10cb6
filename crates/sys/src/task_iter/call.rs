//! bpf(2), as it takes to run a program over tasks.

use core::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use linux_raw_sys::general::__NR_bpf;

use crate::{Errno, raw};

// include/uapi/linux/bpf.h
const BPF_MAP_CREATE: u64 = 0;
const BPF_MAP_LOOKUP_ELEM: u64 = 1;
const BPF_MAP_UPDATE_ELEM: u64 = 2;
const BPF_PROG_LOAD: u64 = 5;
const BPF_LINK_CREATE: u64 = 28;
const BPF_ITER_CREATE: u64 = 33;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_ITER: u32 = 28;

/// `union bpf_attr` of `BPF_MAP_CREATE`, as far as it is needed.
#[repr(C)]
struct MapAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
}

/// `union bpf_attr` of `BPF_MAP_LOOKUP_ELEM` and `BPF_MAP_UPDATE_ELEM`.
#[repr(C)]
struct ElemAttr {
    map_fd: u32,
    _pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `union bpf_attr` of `BPF_PROG_LOAD`, as far as it is needed.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_prog_fd: u32,
    _pad: u32,
}

/// `union bpf_attr` of `BPF_LINK_CREATE` for an iterator.
#[repr(C)]
struct LinkAttr {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    iter_info: u64,
    iter_info_len: u32,
    _pad: u32,
}

/// `union bpf_iter_link_info` for tasks.
#[repr(C)]
struct TaskInfo {
    tid: u32,
    pid: u32,
    pid_fd: u32,
    _pad: u32,
}

/// `union bpf_attr` of `BPF_ITER_CREATE`.
#[repr(C)]
struct IterAttr {
    link_fd: u32,
    flags: u32,
}

/// A map with one value, which is known to have so many bytes.
#[derive(Debug)]
pub struct Room {
    map: OwnedFd,
    len: usize,
}

/// The key of the only value.
static KEY: u32 = 0;

impl Room {
    /// Its descriptor, for a program.
    pub fn map(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }

    /// Makes it all zeros.
    pub fn clear(&self) -> Result<(), Errno> {
        let zeros = vec![0u8; self.len];
        let attr = self.elem(zeros.as_ptr() as u64);
        let args = args(BPF_MAP_UPDATE_ELEM, &attr);
        // SAFETY: the kernel reads `attr`, of the size given, and from there a key and a value of the map's
        // sizes, which `KEY` and `zeros` have; all live until the call returns.
        unsafe { raw::syscall(__NR_bpf, args) }.map(drop)
    }

    /// What is in it.
    pub fn read(&self) -> Result<Vec<u8>, Errno> {
        let mut value = vec![0u8; self.len];
        let attr = self.elem(value.as_mut_ptr() as u64);
        let args = args(BPF_MAP_LOOKUP_ELEM, &attr);
        // SAFETY: the kernel reads `attr`, of the size given, and from there a key of the map's size, which
        // `KEY` has, and writes a value of the map's size, which `value` has; all live until the call returns.
        unsafe { raw::syscall(__NR_bpf, args) }?;
        Ok(value)
    }

    fn elem(&self, value: u64) -> ElemAttr {
        ElemAttr {
            map_fd: self.map.as_raw_fd() as u32,
            _pad: 0,
            key: &raw const KEY as u64,
            value,
            flags: 0,
        }
    }
}

/// Makes one.
pub fn room(len: usize) -> Result<Room, Errno> {
    let attr = MapAttr {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: len as u32,
        max_entries: 1,
        map_flags: 0,
    };
    let args = args(BPF_MAP_CREATE, &attr);
    // SAFETY: the kernel reads `attr`, of the size given.
    let map = unsafe { raw::syscall(__NR_bpf, args) }?;
    // SAFETY: the call gave a new descriptor, which nobody else has.
    let map = unsafe { OwnedFd::from_raw_fd(map as i32) };
    // An array has its values in rooms of eight bytes each, and copies those.
    debug_assert!(len.is_multiple_of(8));
    Ok(Room { map, len })
}

/// Loads a program that takes part in the kernel's `function`, by its BTF id.
pub fn load(instructions: &[u64], license: &CStr, function: u32) -> Result<OwnedFd, Errno> {
    let attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_TRACING,
        insn_cnt: instructions.len() as u32,
        insns: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        prog_name: *b"commensal\0\0\0\0\0\0\0",
        expected_attach_type: BPF_TRACE_ITER,
        attach_btf_id: function,
        ..LoadAttr::default()
    };
    let args = args(BPF_PROG_LOAD, &attr);
    // SAFETY: the kernel reads `attr`, of the size given, and from there as
    // many instructions as it says and a string that ends with a zero.
    let program = unsafe { raw::syscall(__NR_bpf, args) }?;
    // SAFETY: the call gave a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(program as i32) })
}

/// Directs a program at one thread or, with 0 for it, at all of a task.
pub fn link(program: &OwnedFd, tid: u32, pid: u32) -> Result<OwnedFd, Errno> {
    let info = TaskInfo {
        tid,
        pid,
        pid_fd: 0,
        _pad: 0,
    };
    let attr = LinkAttr {
        prog_fd: program.as_raw_fd() as u32,
        target_fd: 0,
        attach_type: BPF_TRACE_ITER,
        flags: 0,
        iter_info: &raw const info as u64,
        iter_info_len: size_of::<TaskInfo>() as u32,
        _pad: 0,
    };
    let args = args(BPF_LINK_CREATE, &attr);
    // SAFETY: the kernel reads `attr`, of the size given, and `info`, of the
    // size that is in `attr`; both live until the call returns.
    let link = unsafe { raw::syscall(__NR_bpf, args) }?;
    // SAFETY: the call gave a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(link as i32) })
}

/// A file that runs the program of a link when it is read.
pub fn iterate(link: &OwnedFd) -> Result<OwnedFd, Errno> {
    let attr = IterAttr {
        link_fd: link.as_raw_fd() as u32,
        flags: 0,
    };
    let args = args(BPF_ITER_CREATE, &attr);
    // SAFETY: the kernel reads `attr`, of the size given.
    let iterator = unsafe { raw::syscall(__NR_bpf, args) }?;
    // SAFETY: the call gave a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(iterator as i32) })
}

fn args<T>(command: u64, attr: &T) -> [u64; 6] {
    [
        command,
        core::ptr::from_ref(attr) as u64,
        size_of::<T>() as u64,
        0,
        0,
        0,
    ]
}
