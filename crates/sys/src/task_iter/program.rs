//! The programs that the kernel runs for each thread or descriptor, as instructions
//! (Documentation/bpf/standardization/instruction-set.rst).

/// The place of a field in a part of a record, and its size.
macro_rules! place {
    ($part:ty, $field:ident) => {
        (
            core::mem::offset_of!($part, $field),
            super::size_of_field(|part: &$part| &part.$field),
        )
    };
}

pub mod files;
mod objects;
mod plain;
pub mod task;
pub mod threads;

use core::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::KernelTypes;

/// Only a program under a licence that goes with the kernel's may write its
/// output. These two, and no other part of ours, are under either.
pub const LICENSE: &CStr = c"Dual MIT/GPL";

// Functions that a program may call (include/uapi/linux/bpf.h).
const PROBE_READ_KERNEL: i32 = 113;
const SEQ_WRITE: i32 = 127;

// Registers: r1 to r3 are arguments of a call, r6 to r9 survive it, r10 is the end of the stack.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
/// The context.
const R6: u8 = 6;
/// What is visited: a task or a file.
const R7: u8 = 7;
/// What a pointer leads to.
const R8: u8 = 8;
/// The room of a record.
const R9: u8 = 9;
const R10: u8 = 10;

const LOAD_8: u8 = 0x71;
const LOAD_32: u8 = 0x61;
const LOAD_64: u8 = 0x79;
const LOAD_ADDRESS: u8 = 0x18;
const STORE_32: u8 = 0x63;
const STORE_64: u8 = 0x7b;
const MOVE: u8 = 0xbf;
const MOVE_CONSTANT: u8 = 0xb7;
const ADD_CONSTANT: u8 = 0x07;
const AND_CONSTANT: u8 = 0x57;
const OR_CONSTANT: u8 = 0x47;
const JUMP_IF_EQUAL: u8 = 0x15;
const JUMP_IF_SAME: u8 = 0x1d;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// The source "register" of [`LOAD_ADDRESS`] that stands for the value of a map (`BPF_PSEUDO_MAP_VALUE`).
const MAP_VALUE: u8 = 2;

/// Where in the context of a program over tasks, `bpf_iter__task`, a pointer to the task is, which is null
/// at the end.
const TASK: i16 = 8;

/// A program that fills the room of a record, field by field, and writes it out. The room is not on its
/// stack, which has 512 bytes, each of which the verifier looks at.
pub struct Program {
    /// Where in the context a pointer is to what is visited.
    object: i16,
    /// The size of a record.
    len: usize,
    /// Where the part of the record begins whose fields come next.
    part: usize,
    /// The pointer of the task's that leads to where r8 is: one that is followed again is not read again.
    followed: Option<i16>,
    body: Vec<u64>,
}

impl Program {
    fn new(object: i16, len: usize) -> Self {
        Self {
            object,
            len,
            part: 0,
            followed: None,
            body: Vec::new(),
        }
    }

    /// The size of a record, in bytes.
    pub fn record_len(&self) -> usize {
        self.len
    }

    /// From here on, places are those in a part of the record.
    fn part(&mut self, start: usize) {
        self.part = start;
    }

    /// Where in the room a place is.
    fn at(&self, place: usize) -> i16 {
        i16::try_from(self.part + place).expect("records are small")
    }

    /// Copies from the structure that a register points to.
    fn copy(&mut self, register: u8, from: i16, (to, len): (usize, usize)) {
        let to = self.at(to);
        self.read(register, from, (R9, to), len);
    }

    /// Copies a field of the task.
    fn of_task(&mut self, types: &KernelTypes, field: &str, to: (usize, usize)) -> Option<()> {
        self.copy(R7, types.field("task_struct", field)?, to);
        Some(())
    }

    /// Copies a field of the structure that a pointer of the task leads to.
    fn behind_task(
        &mut self,
        types: &KernelTypes,
        (pointer, structure, field): (&str, &str, &str),
        to: (usize, usize),
    ) -> Option<()> {
        self.follow(R7, types.field("task_struct", pointer)?);
        self.copy(R8, types.field(structure, field)?, to);
        Some(())
    }

    /// Puts where a pointer leads to, which is in the structure that a register points to, into r8. What is
    /// copied from a null pointer is zeros.
    fn follow(&mut self, register: u8, pointer: i16) {
        let of_task = (register == R7).then_some(pointer);
        if of_task.is_some() && of_task == self.followed {
            return;
        }
        self.followed = of_task;
        self.read(register, pointer, (R10, -8), 8);
        self.body.push(instruction(LOAD_64, R8, R10, -8, 0));
    }

    /// Puts a number there that has as many bytes as the program says by `store`.
    fn constant(&mut self, store: u8, to: usize, number: i32) {
        let to = self.at(to);
        self.body.extend([
            instruction(MOVE_CONSTANT, R1, 0, 0, number),
            instruction(store, R9, R1, to, 0),
        ]);
    }

    /// Puts a register there.
    fn store(&mut self, store: u8, register: u8, to: usize) {
        let to = self.at(to);
        self.body.push(instruction(store, R9, register, to, 0));
    }

    fn read(&mut self, register: u8, from: i16, (base, to): (u8, i16), len: usize) {
        self.body.extend([
            instruction(MOVE, R1, base, 0, 0),
            instruction(ADD_CONSTANT, R1, 0, 0, to.into()),
            instruction(MOVE_CONSTANT, R2, 0, 0, len as i32),
            instruction(MOVE, R3, register, 0, 0),
            instruction(ADD_CONSTANT, R3, 0, 0, from.into()),
            instruction(CALL, 0, 0, 0, PROBE_READ_KERNEL),
        ]);
    }

    /// Its instructions, with the only value of the map `room` as the room. They do nothing where the
    /// pointer to what is visited is null, at the end of an iteration.
    pub fn instructions(&self, room: BorrowedFd<'_>) -> Vec<u64> {
        let write = [
            // `bpf_iter_meta` begins with a pointer to the output.
            instruction(LOAD_64, R1, R6, 0, 0),
            instruction(LOAD_64, R1, R1, 0, 0),
            instruction(MOVE, R2, R9, 0, 0),
            instruction(MOVE_CONSTANT, R3, 0, 0, self.len as i32),
            instruction(CALL, 0, 0, 0, SEQ_WRITE),
        ];
        let body = [&self.body[..], &write].concat();
        let start = [
            instruction(MOVE, R6, R1, 0, 0),
            // One instruction in the room of two.
            instruction(LOAD_ADDRESS, R9, MAP_VALUE, 0, room.as_raw_fd()),
            0,
            instruction(LOAD_64, R7, R6, self.object, 0),
            instruction(JUMP_IF_EQUAL, R7, 0, body.len() as i16, 0),
        ];
        let exit = [
            instruction(MOVE_CONSTANT, R0, 0, 0, 0),
            instruction(EXIT, 0, 0, 0, 0),
        ];
        [&start[..], &body, &exit].concat()
    }
}

fn size_of_field<R, F>(_: fn(&R) -> &F) -> usize {
    size_of::<F>()
}

/// `struct bpf_insn`: code, destination and source, offset, constant.
fn instruction(code: u8, to: u8, from: u8, offset: i16, constant: i32) -> u64 {
    let mut bytes = [code, to | from << 4, 0, 0, 0, 0, 0, 0];
    bytes[2..4].copy_from_slice(&offset.to_le_bytes());
    bytes[4..].copy_from_slice(&constant.to_le_bytes());
    u64::from_le_bytes(bytes)
}
