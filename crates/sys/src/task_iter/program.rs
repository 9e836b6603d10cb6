//! The programs that the kernel runs for each thread or descriptor, as instructions
//! (Documentation/bpf/standardization/instruction-set.rst).

use core::mem::offset_of;

use super::btf::Btf;
use super::{FileRecord, ThreadRecord};

/// Only a program under a licence that goes with the kernel's may write its
/// output. These two, and no other part of ours, are under either.
pub const LICENSE: &core::ffi::CStr = c"Dual MIT/GPL";

/// `BPF_FUNC_seq_write` (include/uapi/linux/bpf.h).
const SEQ_WRITE: i32 = 127;

// Registers: r1 to r3 are arguments of a call, r6 and r7 survive it, r10 is the
// end of the stack.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
const R6: u8 = 6;
const R7: u8 = 7;
const R10: u8 = 10;

const LOAD_32: u8 = 0x61;
const LOAD_64: u8 = 0x79;
const STORE_32: u8 = 0x63;
const STORE_64: u8 = 0x7b;
const MOVE: u8 = 0xbf;
const MOVE_CONSTANT: u8 = 0xb7;
const ADD_CONSTANT: u8 = 0x07;
const JUMP_IF_EQUAL: u8 = 0x15;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// Where the fields are, in bytes from the start of their structures.
pub struct Places {
    /// In `task_struct`, with where it goes in the record.
    words: [(i16, usize); 5],
    half_words: [(i16, usize); 3],
    children: i16,
    cred: i16,
    /// In `cred`.
    securebits: i16,
}

impl Places {
    /// Looks them up.
    pub fn find(btf: &Btf<'_>) -> Option<Self> {
        let task = |field| btf.field("task_struct", field);
        Some(Self {
            words: [
                (task("sas_ss_sp")?, offset_of!(ThreadRecord, altstack_sp)),
                (
                    task("sas_ss_size")?,
                    offset_of!(ThreadRecord, altstack_size),
                ),
                (
                    task("clear_child_tid")?,
                    offset_of!(ThreadRecord, tid_address),
                ),
                (task("cgroups")?, offset_of!(ThreadRecord, groups)),
                // `next`, the first of the two pointers of a `list_head`.
                (task("children")?, offset_of!(ThreadRecord, first_child)),
            ],
            children: task("children")?,
            half_words: [
                (task("pid")?, offset_of!(ThreadRecord, tid)),
                (
                    task("sas_ss_flags")?,
                    offset_of!(ThreadRecord, altstack_flags),
                ),
                (task("pdeath_signal")?, offset_of!(ThreadRecord, pdeath_sig)),
            ],
            cred: task("cred")?,
            securebits: btf.field("cred", "securebits")?,
        })
    }
}

/// Copies a thread: `bpf_iter__task` holds a pointer to the iteration's
/// `bpf_iter_meta`, and then one to the task, or null at the end.
pub fn threads(places: &Places) -> Vec<u64> {
    const LEN: i16 = size_of::<ThreadRecord>() as i16;
    const TASK: i16 = 8;
    let mut body = Vec::new();
    for (from, to) in places.words {
        body.push(instruction(LOAD_64, R1, R7, from, 0));
        body.push(instruction(STORE_64, R10, R1, to as i16 - LEN, 0));
    }
    for (from, to) in places.half_words {
        body.push(instruction(LOAD_32, R1, R7, from, 0));
        body.push(instruction(STORE_32, R10, R1, to as i16 - LEN, 0));
    }
    let children = offset_of!(ThreadRecord, children) as i16 - LEN;
    body.extend([
        instruction(MOVE, R1, R7, 0, 0),
        instruction(ADD_CONSTANT, R1, 0, 0, places.children.into()),
        instruction(STORE_64, R10, R1, children, 0),
    ]);
    let securebits = offset_of!(ThreadRecord, securebits) as i16 - LEN;
    body.extend([
        instruction(LOAD_64, R1, R7, places.cred, 0),
        instruction(LOAD_32, R1, R1, places.securebits, 0),
        instruction(STORE_32, R10, R1, securebits, 0),
    ]);
    visit(TASK, &body, LEN)
}

/// Copies a descriptor: in `bpf_iter__task_file` come `bpf_iter_meta`, the
/// task, the descriptor's number and a pointer to its file. `owner` is where that has a pointer to
/// its owner.
pub fn files(owner: Option<i16>) -> Vec<u64> {
    const LEN: i16 = size_of::<FileRecord>() as i16;
    const FD: i16 = 16;
    const FILE: i16 = 24;
    let at = |offset: usize| offset as i16 - LEN;
    let owner = match owner {
        Some(place) => instruction(LOAD_64, R2, R7, place, 0),
        None => instruction(MOVE_CONSTANT, R2, 0, 0, 1),
    };
    let body = [
        owner,
        instruction(STORE_64, R10, R2, at(offset_of!(FileRecord, owner)), 0),
        instruction(
            STORE_64,
            R10,
            R7,
            at(offset_of!(FileRecord, description)),
            0,
        ),
        instruction(LOAD_32, R1, R6, FD, 0),
        // The upper half is zero, and with it what is reserved.
        instruction(STORE_64, R10, R1, at(offset_of!(FileRecord, fd)), 0),
    ];
    visit(FILE, &body, LEN)
}

/// A program that does nothing where the pointer at `object` is null, at the
/// end of an iteration; else fills the uppermost `len` bytes of its stack by
/// `body`, with the pointer in r7, and writes them out.
fn visit(object: i16, body: &[u64], len: i16) -> Vec<u64> {
    let write = [
        // `bpf_iter_meta` begins with a pointer to the output.
        instruction(LOAD_64, R1, R6, 0, 0),
        instruction(LOAD_64, R1, R1, 0, 0),
        instruction(MOVE, R2, R10, 0, 0),
        instruction(ADD_CONSTANT, R2, 0, 0, -i32::from(len)),
        instruction(MOVE_CONSTANT, R3, 0, 0, len.into()),
        instruction(CALL, 0, 0, 0, SEQ_WRITE),
    ];
    let end = (body.len() + write.len()) as i16;
    let start = [
        instruction(MOVE, R6, R1, 0, 0),
        instruction(LOAD_64, R7, R6, object, 0),
        instruction(JUMP_IF_EQUAL, R7, 0, end, 0),
    ];
    let exit = [
        instruction(MOVE_CONSTANT, R0, 0, 0, 0),
        instruction(EXIT, 0, 0, 0, 0),
    ];
    [&start, body, &write, &exit].concat()
}

/// `struct bpf_insn`: code, destination and source, offset, constant.
fn instruction(code: u8, to: u8, from: u8, offset: i16, constant: i32) -> u64 {
    let mut bytes = [code, to | from << 4, 0, 0, 0, 0, 0, 0];
    bytes[2..4].copy_from_slice(&offset.to_le_bytes());
    bytes[4..].copy_from_slice(&constant.to_le_bytes());
    u64::from_le_bytes(bytes)
}
