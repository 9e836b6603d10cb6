//! The programs that the kernel runs for each thread or descriptor, as instructions
//! (Documentation/bpf/standardization/instruction-set.rst).

use core::mem::offset_of;

use super::btf::Btf;
use super::{FileRecord, ThreadRecord};

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

/// Bytes that are copied from a structure into its record.
struct Field {
    /// Where they are, from the start of the structure.
    from: i16,
    /// Where they go, from the start of the record.
    to: usize,
    len: usize,
}

/// Where the fields are.
pub struct Places {
    /// In `task_struct`.
    fields: Vec<Field>,
    /// In `task_struct`: the list itself, not what is in it.
    children: i16,
    /// In `task_struct`: a pointer to what `securebits` is in.
    cred: i16,
    securebits: i16,
    /// In `task_struct` a pointer to its `mm_struct`, and in that a count; where the kernel counts.
    changes: Option<(i16, i16)>,
}

/// The place of a field in the record, and its size.
macro_rules! record {
    ($field:ident) => {
        (
            offset_of!(ThreadRecord, $field),
            size_of_val(&ThreadRecord::default().$field),
        )
    };
}

impl Places {
    /// Looks them up.
    pub fn find(btf: &Btf) -> Option<Self> {
        let task = |field| btf.field("task_struct", field);
        let inside = |outer, structure, field| Some(task(outer)? + btf.field(structure, field)?);
        let fields = [
            (task("sas_ss_sp"), record!(altstack_sp)),
            (task("sas_ss_size"), record!(altstack_size)),
            (task("sas_ss_flags"), record!(altstack_flags)),
            (task("clear_child_tid"), record!(tid_address)),
            (task("cgroups"), record!(groups)),
            // `next`, the first of the two pointers of a `list_head`.
            (task("children"), record!(first_child)),
            (task("cred"), record!(credentials)),
            (task("atomic_flags"), record!(flags)),
            (inside("pending", "sigpending", "signal"), record!(pending)),
            (
                inside("thread", "thread_struct", "tls_array"),
                record!(areas),
            ),
            (task("comm"), record!(comm)),
            (task("pid"), record!(tid)),
            (task("pdeath_signal"), record!(pdeath_sig)),
            (inside("seccomp", "seccomp", "mode"), record!(seccomp)),
        ];
        let field = |(from, (to, len))| {
            Some(Field {
                from: from?,
                to,
                len,
            })
        };
        Some(Self {
            fields: fields.into_iter().map(field).collect::<Option<_>>()?,
            children: task("children")?,
            cred: task("cred")?,
            securebits: btf.field("cred", "securebits")?,
            changes: task("mm").zip(btf.field("mm_struct", "mm_lock_seq")),
        })
    }
}

/// Copies a thread: `bpf_iter__task` holds a pointer to the iteration's
/// `bpf_iter_meta`, and then one to the task, or null at the end.
pub fn threads(places: &Places) -> Vec<u64> {
    const LEN: i16 = size_of::<ThreadRecord>() as i16;
    const TASK: i16 = 8;
    let at = |offset: usize| offset as i16 - LEN;
    let fields = places.fields.iter();
    let mut body: Vec<u64> = fields.flat_map(|field| copy(field, LEN)).collect();
    body.extend([
        instruction(MOVE, R1, R7, 0, 0),
        instruction(ADD_CONSTANT, R1, 0, 0, places.children.into()),
        instruction(STORE_64, R10, R1, at(offset_of!(ThreadRecord, children)), 0),
        instruction(LOAD_64, R1, R7, places.cred, 0),
        instruction(LOAD_32, R1, R1, places.securebits, 0),
        instruction(
            STORE_32,
            R10,
            R1,
            at(offset_of!(ThreadRecord, securebits)),
            0,
        ),
        instruction(MOVE_CONSTANT, R1, 0, 0, 0),
        instruction(STORE_32, R10, R1, at(offset_of!(ThreadRecord, reserved)), 0),
    ]);
    body.extend(mapping_changes(
        places.changes,
        at(offset_of!(ThreadRecord, mapping_changes)),
    ));
    visit(TASK, &body, LEN)
}

/// Puts a count `to` the record, in its lower half, and 1 above it; or 0 where the kernel does not
/// count.
fn mapping_changes(places: Option<(i16, i16)>, to: i16) -> Vec<u64> {
    let known = i32::from(places.is_some());
    let mut body = vec![
        instruction(MOVE_CONSTANT, R1, 0, 0, known),
        instruction(STORE_32, R10, R1, to + 4, 0),
    ];
    match places {
        Some((mm, count)) => body.extend([
            instruction(LOAD_64, R1, R7, mm, 0),
            instruction(LOAD_32, R1, R1, count, 0),
        ]),
        None => body.push(instruction(MOVE_CONSTANT, R1, 0, 0, 0)),
    }
    body.push(instruction(STORE_32, R10, R1, to, 0));
    body
}

/// Copies a field of the structure in r7 into a record of `len` bytes.
fn copy(field: &Field, len: i16) -> [u64; 6] {
    let to = field.to as i32 - i32::from(len);
    [
        instruction(MOVE, R1, R10, 0, 0),
        instruction(ADD_CONSTANT, R1, 0, 0, to),
        instruction(MOVE_CONSTANT, R2, 0, 0, field.len as i32),
        instruction(MOVE, R3, R7, 0, 0),
        instruction(ADD_CONSTANT, R3, 0, 0, field.from.into()),
        instruction(CALL, 0, 0, 0, PROBE_READ_KERNEL),
    ]
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
