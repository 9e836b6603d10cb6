//! bpf(2), as it takes to run a program at a tracepoint, and to share a slot with it.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use super::Slot;

// include/uapi/linux/bpf.h
const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_int = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// The only key.
const KEY: u32 = 0;

/// `union bpf_attr` of `BPF_MAP_CREATE`, as far as it is needed.
#[repr(C)]
struct MapAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
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
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
}

/// `union bpf_attr` of `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct AttachAttr {
    name: u64,
    prog_fd: u32,
    _pad: u32,
}

/// A map with one slot.
pub fn slot(first: &Slot) -> io::Result<OwnedFd> {
    let attr = MapAttr {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: size_of_val(&KEY) as u32,
        value_size: size_of::<Slot>() as u32,
        max_entries: 1,
    };
    // SAFETY: `attr` is the command's, and has no addresses.
    let map = descriptor(unsafe { bpf(BPF_MAP_CREATE, &attr) }?);
    set(&map, first)?;
    Ok(map)
}

/// Sets the slot of a map.
pub fn set(map: &OwnedFd, slot: &Slot) -> io::Result<()> {
    let attr = elem(map, ptr::from_ref(slot) as u64);
    // SAFETY: the kernel reads a key and a value of the map's sizes, which both are.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &attr) }.map(drop)
}

/// The slot of a map.
pub fn get(map: &OwnedFd) -> io::Result<Slot> {
    let mut slot = Slot::default();
    let attr = elem(map, ptr::from_mut(&mut slot) as u64);
    // SAFETY: the kernel reads a key and writes a value of the map's sizes, which both are, and any bytes
    // are a slot.
    unsafe { bpf(BPF_MAP_LOOKUP_ELEM, &attr) }?;
    Ok(slot)
}

fn elem(map: &OwnedFd, value: u64) -> ElemAttr {
    ElemAttr {
        map_fd: map.as_raw_fd() as u32,
        _pad: 0,
        key: ptr::from_ref(&KEY) as u64,
        value,
        flags: 0,
    }
}

/// Loads a program, which calls nothing that only one under the kernel's licence may.
pub fn load(instructions: &[u64]) -> io::Result<OwnedFd> {
    let attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_RAW_TRACEPOINT,
        insn_cnt: instructions.len() as u32,
        insns: instructions.as_ptr() as u64,
        license: c"MIT OR Apache-2.0".as_ptr() as u64,
    };
    // SAFETY: the kernel reads as many instructions as `attr` says and a string that ends with a zero.
    Ok(descriptor(unsafe { bpf(BPF_PROG_LOAD, &attr) }?))
}

/// Has a program run at a tracepoint, until the descriptor is closed.
pub fn attach(tracepoint: &CStr, program: &OwnedFd) -> io::Result<OwnedFd> {
    let attr = AttachAttr {
        name: tracepoint.as_ptr() as u64,
        prog_fd: program.as_raw_fd() as u32,
        _pad: 0,
    };
    // SAFETY: the kernel reads a string that ends with a zero.
    Ok(descriptor(unsafe { bpf(BPF_RAW_TRACEPOINT_OPEN, &attr) }?))
}

/// # Safety
///
/// `attr` is the command's, and where it holds an address the kernel may do there what the command does.
unsafe fn bpf<T>(command: libc::c_int, attr: &T) -> io::Result<i32> {
    // SAFETY: the kernel reads `attr`, of the size given; the rest is the caller's part.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<T>()) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result as i32),
    }
}

fn descriptor(new: i32) -> OwnedFd {
    // SAFETY: the callers' commands gave a new descriptor, which nobody else has.
    unsafe { OwnedFd::from_raw_fd(new) }
}
