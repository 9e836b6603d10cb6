//! The programs that the kernel runs for each thread or descriptor, as instructions
//! (Documentation/bpf/standardization/instruction-set.rst).

/// The place of a field in a record, and its size.
macro_rules! place {
    ($record:ty, $field:ident) => {
        (
            core::mem::offset_of!($record, $field),
            super::size_of_field(|record: &$record| &record.$field),
        )
    };
}

pub mod files;
mod objects;
mod plain;
pub mod task;
pub mod threads;

use super::btf::Btf;

/// Only a program under a licence that goes with the kernel's may write its
/// output. These two, and no other part of ours, are under either.
pub const LICENSE: &core::ffi::CStr = c"Dual MIT/GPL";

// Functions that a program may call (include/uapi/linux/bpf.h).
const PROBE_READ_KERNEL: i32 = 113;
const SEQ_WRITE: i32 = 127;

// Registers: r1 to r3 are arguments of a call, r6 and r7 survive it, r10 is the
// end of the stack.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
const R6: u8 = 6;
const R7: u8 = 7;
const R8: u8 = 8;
const R10: u8 = 10;

const LOAD_8: u8 = 0x71;
const LOAD_32: u8 = 0x61;
const LOAD_64: u8 = 0x79;
const STORE_32: u8 = 0x63;
const STORE_64: u8 = 0x7b;
const MOVE: u8 = 0xbf;
const MOVE_CONSTANT: u8 = 0xb7;
const ADD_CONSTANT: u8 = 0x07;
const AND_CONSTANT: u8 = 0x57;
const JUMP_IF_EQUAL: u8 = 0x15;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// Where in the context of a program over tasks, `bpf_iter__task`, a pointer to the task is, which is null
/// at the end.
const TASK: i16 = 8;

/// Bytes that are copied from a structure into a piece of its record.
struct Field {
    /// Where they are, from the start of the structure.
    from: i16,
    /// Where they go, from the start of the piece.
    to: usize,
    len: usize,
}

/// A part of a record, as much as the stack of a program has room for (512 bytes): it fills the uppermost
/// bytes of the stack.
struct Piece {
    len: i16,
    body: Vec<u64>,
}

impl Piece {
    fn new(len: usize) -> Self {
        Self {
            len: i16::try_from(len).expect("it fits into the stack"),
            body: Vec::new(),
        }
    }

    /// Where in the stack something of the piece is.
    fn at(&self, offset: usize) -> i16 {
        offset as i16 - self.len
    }

    /// Copies a field of the structure that a register points to.
    fn copy(&mut self, register: u8, field: &Field) {
        let to = self.at(field.to);
        self.read(register, field.from, to, field.len);
    }

    /// Copies a field of the task in r7 to a place.
    fn of_task(&mut self, btf: &Btf, field: &str, (to, len): (usize, usize)) -> Option<()> {
        let from = btf.field("task_struct", field)?;
        self.copy(R7, &Field { from, to, len });
        Some(())
    }

    /// Copies a field of the structure that a pointer of the task in r7 leads to.
    fn behind_task(
        &mut self,
        btf: &Btf,
        (pointer, structure, field): (&str, &str, &str),
        (to, len): (usize, usize),
    ) -> Option<()> {
        self.follow(R7, btf.field("task_struct", pointer)?);
        let from = btf.field(structure, field)?;
        self.copy(R8, &Field { from, to, len });
        Some(())
    }

    /// Puts where a pointer leads to, which is in the structure that a register points to, into r8. What is
    /// copied from a null pointer is zeros.
    fn follow(&mut self, register: u8, pointer: i16) {
        let below = -self.len - 8;
        self.read(register, pointer, below, 8);
        self.body.push(instruction(LOAD_64, R8, R10, below, 0));
    }

    /// Puts a number there that has as many bytes as the program says by `store`.
    fn constant(&mut self, store: u8, to: usize, number: i32) {
        let to = self.at(to);
        self.body.extend([
            instruction(MOVE_CONSTANT, R1, 0, 0, number),
            instruction(store, R10, R1, to, 0),
        ]);
    }

    fn read(&mut self, register: u8, from: i16, to: i16, len: usize) {
        self.body.extend([
            instruction(MOVE, R1, R10, 0, 0),
            instruction(ADD_CONSTANT, R1, 0, 0, to.into()),
            instruction(MOVE_CONSTANT, R2, 0, 0, len as i32),
            instruction(MOVE, R3, register, 0, 0),
            instruction(ADD_CONSTANT, R3, 0, 0, from.into()),
            instruction(CALL, 0, 0, 0, PROBE_READ_KERNEL),
        ]);
    }

    /// All of its instructions, the last of which write it out.
    fn written(mut self) -> Vec<u64> {
        self.body.extend([
            // `bpf_iter_meta` begins with a pointer to the output.
            instruction(LOAD_64, R1, R6, 0, 0),
            instruction(LOAD_64, R1, R1, 0, 0),
            instruction(MOVE, R2, R10, 0, 0),
            instruction(ADD_CONSTANT, R2, 0, 0, -i32::from(self.len)),
            instruction(MOVE_CONSTANT, R3, 0, 0, self.len.into()),
            instruction(CALL, 0, 0, 0, SEQ_WRITE),
        ]);
        self.body
    }
}

/// A program that does nothing where the pointer at `object` is null, at the
/// end of an iteration; else writes the pieces of a record, with the pointer in r7.
fn visit(object: i16, pieces: Vec<Piece>) -> Vec<u64> {
    let pieces: Vec<u64> = pieces.into_iter().flat_map(Piece::written).collect();
    let start = [
        instruction(MOVE, R6, R1, 0, 0),
        instruction(LOAD_64, R7, R6, object, 0),
        instruction(JUMP_IF_EQUAL, R7, 0, pieces.len() as i16, 0),
    ];
    let exit = [
        instruction(MOVE_CONSTANT, R0, 0, 0, 0),
        instruction(EXIT, 0, 0, 0, 0),
    ];
    [&start[..], &pieces, &exit].concat()
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
