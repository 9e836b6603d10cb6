//! The program that the kernel runs for each thread or descriptor, as instructions
//! (Documentation/bpf/standardization/instruction-set.rst).

use core::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::plan::{Layout, NUMBER, Piece, VISITED};

/// Only a program under a licence that goes with the kernel's may write its
/// output. These two, and no other part of ours, are under either.
pub const LICENSE: &CStr = c"Dual MIT/GPL";

// Functions that a program may call (include/uapi/linux/bpf.h).
const PROBE_READ_KERNEL: i32 = 113;
const SEQ_WRITE: i32 = 127;

// Registers: r1 to r3 are arguments of a call, r6 to r9 survive it.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
/// The context.
const R6: u8 = 6;
/// What is visited: a task or a file.
const R7: u8 = 7;
/// The room.
const R9: u8 = 9;

const LOAD_32: u8 = 0x61;
const LOAD_64: u8 = 0x79;
const LOAD_ADDRESS: u8 = 0x18;
const STORE_64: u8 = 0x7b;
const MOVE: u8 = 0xbf;
const MOVE_CONSTANT: u8 = 0xb7;
const ADD_CONSTANT: u8 = 0x07;
const JUMP_IF_EQUAL: u8 = 0x15;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// The source "register" of [`LOAD_ADDRESS`] that stands for the value of a map (`BPF_PSEUDO_MAP_VALUE`).
const MAP_VALUE: u8 = 2;

/// What a program is called with.
pub struct Context {
    /// Where in it a pointer is to what is visited, which is null at the end.
    pub visited: i16,
    /// Where in it is a number of 32 bits that is wanted, too.
    pub number: Option<i16>,
}

/// `bpf_iter__task`: `bpf_iter_meta` and the task.
pub const TASKS: Context = Context {
    visited: 8,
    number: None,
};

/// `bpf_iter__task_file`: `bpf_iter_meta`, the task, the descriptor and its file.
pub const FILES: Context = Context {
    visited: 24,
    number: Some(16),
};

/// A program that fills its room, piece by piece, and writes it out or leaves it there. It does nothing where
/// the pointer to what is visited is null, at the end of an iteration. The room is the only value of a map, and
/// not on its stack, which has 512 bytes, each of which the verifier looks at.
pub fn instructions(
    context: &Context,
    layout: &Layout,
    room: BorrowedFd<'_>,
    writes: bool,
) -> Vec<u64> {
    let start = [
        instruction(MOVE, R6, R1, 0, 0),
        // One instruction in the room of two.
        instruction(LOAD_ADDRESS, R9, MAP_VALUE, 0, room.as_raw_fd()),
        0,
        instruction(LOAD_64, R7, R6, context.visited, 0),
    ];
    let number = |place| instruction(LOAD_32, R1, R6, place, 0);
    let header = [
        instruction(STORE_64, R9, R7, VISITED as i16, 0),
        context
            .number
            .map_or(instruction(MOVE_CONSTANT, R1, 0, 0, 0), number),
        instruction(STORE_64, R9, R1, NUMBER as i16, 0),
    ];
    let pieces: Vec<u64> = layout.pieces.iter().flat_map(copy).collect();
    let write = [
        // `bpf_iter_meta` begins with a pointer to the output.
        instruction(LOAD_64, R1, R6, 0, 0),
        instruction(LOAD_64, R1, R1, 0, 0),
        instruction(MOVE, R2, R9, 0, 0),
        instruction(MOVE_CONSTANT, R3, 0, 0, layout.len as i32),
        instruction(CALL, 0, 0, 0, SEQ_WRITE),
    ];
    let write = if writes { &write[..] } else { &[] };
    let body = [&header[..], &pieces, write].concat();
    let nothing = [instruction(JUMP_IF_EQUAL, R7, 0, body.len() as i16, 0)];
    let exit = [
        instruction(MOVE_CONSTANT, R0, 0, 0, 0),
        instruction(EXIT, 0, 0, 0, 0),
    ];
    [&start[..], &nothing, &body, &exit].concat()
}

/// Copies a piece; zeros where it cannot be read.
fn copy(piece: &Piece) -> [u64; 6] {
    [
        instruction(MOVE, R1, R9, 0, 0),
        instruction(ADD_CONSTANT, R1, 0, 0, piece.at as i32),
        instruction(MOVE_CONSTANT, R2, 0, 0, piece.len as i32),
        instruction(LOAD_64, R3, R9, piece.address as i16, 0),
        instruction(ADD_CONSTANT, R3, 0, 0, piece.from.into()),
        instruction(CALL, 0, 0, 0, PROBE_READ_KERNEL),
    ]
}

/// `struct bpf_insn`: code, destination and source, offset, constant.
fn instruction(code: u8, to: u8, from: u8, offset: i16, constant: i32) -> u64 {
    let mut bytes = [code, to | from << 4, 0, 0, 0, 0, 0, 0];
    bytes[2..4].copy_from_slice(&offset.to_le_bytes());
    bytes[4..].copy_from_slice(&constant.to_le_bytes());
    u64::from_le_bytes(bytes)
}
