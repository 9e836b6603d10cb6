//! The programs, as instructions (Documentation/bpf/standardization/instruction-set.rst).

use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::Slot;

// Functions that a program may call (include/uapi/linux/bpf.h).
const SEND_SIGNAL: i32 = 109;
const GET_NS_CURRENT_PID_TGID: i32 = 120;

// Registers: r1 to r4 are arguments of a call, r6 survives it, r10 is the end of the stack.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
const R4: u8 = 4;
/// The slot.
const R6: u8 = 6;
const R10: u8 = 10;

const LOAD_32: u8 = 0x61;
const LOAD_64: u8 = 0x79;
const LOAD_ADDRESS: u8 = 0x18;
const STORE_64: u8 = 0x7b;
const ATOMIC_64: u8 = 0xdb;
const MOVE: u8 = 0xbf;
const MOVE_CONSTANT: u8 = 0xb7;
const ADD_CONSTANT: u8 = 0x07;
const JUMP_IF_NOT_EQUAL: u8 = 0x55;
const JUMP_IF_NOT_SAME: u8 = 0x5d;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// The source "register" of [`LOAD_ADDRESS`] that stands for the value of a map (`BPF_PSEUDO_MAP_VALUE`).
const MAP_VALUE: u8 = 2;

/// What [`ATOMIC_64`] does: it adds a register, which gets what was there before
/// (`BPF_ADD | BPF_FETCH`).
const FETCH_ADD: i32 = 0x01;

/// The task that is awaited has become another program: from here on it is counted.
pub fn begin(slot: BorrowedFd<'_>) -> Vec<u64> {
    let body = [instruction(
        STORE_64,
        R6,
        R1,
        offset(offset_of!(Slot, counted)),
        0,
    )];
    run_by(offset_of!(Slot, awaited), slot, &body)
}

/// The task that is counted is at the entry or exit of a system call.
pub fn count(slot: BorrowedFd<'_>) -> Vec<u64> {
    let body = [
        instruction(MOVE_CONSTANT, R1, 0, 0, 1),
        instruction(
            ATOMIC_64,
            R6,
            R1,
            offset(offset_of!(Slot, stops)),
            FETCH_ADD,
        ),
        instruction(ADD_CONSTANT, R1, 0, 0, 1),
        instruction(LOAD_64, R2, R6, offset(offset_of!(Slot, point)), 0),
        instruction(JUMP_IF_NOT_SAME, R1, R2, 2, 0),
        instruction(LOAD_64, R1, R6, offset(offset_of!(Slot, signal)), 0),
        instruction(CALL, 0, 0, 0, SEND_SIGNAL),
    ];
    run_by(offset_of!(Slot, counted), slot, &body)
}

/// Does what `body` says where the current task is the one whose pid is at a place of the slot. The pid is in
/// r1 then.
fn run_by(pid: usize, slot: BorrowedFd<'_>, body: &[u64]) -> Vec<u64> {
    let compare = [
        // `struct bpf_pidns_info`: pid, tgid.
        instruction(LOAD_32, R1, R10, -4, 0),
        instruction(LOAD_64, R2, R6, offset(pid), 0),
        instruction(JUMP_IF_NOT_SAME, R1, R2, body.len() as i16, 0),
    ];
    let rest = [&compare, body].concat();
    let start = [
        // One instruction in the room of two.
        instruction(LOAD_ADDRESS, R6, MAP_VALUE, 0, slot.as_raw_fd()),
        0,
        instruction(LOAD_64, R1, R6, offset(offset_of!(Slot, device)), 0),
        instruction(LOAD_64, R2, R6, offset(offset_of!(Slot, inode)), 0),
        instruction(MOVE, R3, R10, 0, 0),
        instruction(ADD_CONSTANT, R3, 0, 0, -8),
        instruction(MOVE_CONSTANT, R4, 0, 0, 8),
        instruction(CALL, 0, 0, 0, GET_NS_CURRENT_PID_TGID),
        // A task of another namespace.
        instruction(JUMP_IF_NOT_EQUAL, R0, 0, rest.len() as i16, 0),
    ];
    let exit = [
        instruction(MOVE_CONSTANT, R0, 0, 0, 0),
        instruction(EXIT, 0, 0, 0, 0),
    ];
    [&start, &rest[..], &exit].concat()
}

fn offset(place: usize) -> i16 {
    i16::try_from(place).expect("the slot is small")
}

/// `struct bpf_insn`: code, destination and source, offset, constant.
fn instruction(code: u8, to: u8, from: u8, offset: i16, constant: i32) -> u64 {
    let mut bytes = [code, to | from << 4, 0, 0, 0, 0, 0, 0];
    bytes[2..4].copy_from_slice(&offset.to_le_bytes());
    bytes[4..].copy_from_slice(&constant.to_le_bytes());
    u64::from_le_bytes(bytes)
}
