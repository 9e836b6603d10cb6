//! Descriptors.

use core::mem::offset_of;

use super::{
    ADD_CONSTANT, JUMP_IF_EQUAL, JUMP_IF_SAME, LOAD_32, LOAD_64, MOVE, MOVE_CONSTANT, OR_CONSTANT,
    Program, R1, R2, R6, R7, R8, R9, R10, STORE_64, instruction,
};
use crate::task_iter::FileRecord;
use crate::task_iter::KernelTypes;

/// Copies a descriptor: in `bpf_iter__task_file` come `bpf_iter_meta`, the
/// task, the descriptor's number and a pointer to its file.
pub fn program(types: &KernelTypes) -> Option<Program> {
    const FD: i16 = 16;
    const FILE: i16 = 24;
    let mut program = Program::new(FILE, size_of::<FileRecord>());
    program.body.push(match types.pointer("file", "f_owner") {
        Some(place) => instruction(LOAD_64, R2, R7, place, 0),
        None => instruction(MOVE_CONSTANT, R2, 0, 0, 1),
    });
    program.store(STORE_64, R2, offset_of!(FileRecord, owner));
    program.store(STORE_64, R7, offset_of!(FileRecord, description));
    program.body.push(instruction(LOAD_32, R1, R6, FD, 0));
    // The upper half is zero, where the flags go then.
    program.store(STORE_64, R1, offset_of!(FileRecord, fd));
    let file = |field| types.field("file", field);
    program.copy(R7, file("f_flags")?, place!(FileRecord, flags));
    program.copy(R7, file("f_path")?, place!(FileRecord, path));
    program.follow(R7, file("f_inode")?);
    locks(types, &mut program)?;
    Some(program)
}

/// Which lists of locks of the inode in r8 have something in them: an empty one leads to itself.
fn locks(types: &KernelTypes, program: &mut Program) -> Option<()> {
    let to = program.at(offset_of!(FileRecord, locks));
    program.constant(STORE_64, offset_of!(FileRecord, locks), 0);
    program.follow(R8, types.field("inode", "i_flctx")?);
    let mut lists = Program::new(0, 0);
    for (list, kind) in [
        ("flc_flock", FileRecord::FLOCK),
        ("flc_posix", FileRecord::POSIX),
        ("flc_lease", FileRecord::LEASE),
    ] {
        let list = types.field("file_lock_context", list)?;
        lists.read(R8, list, (R10, -8), 8);
        lists.body.extend([
            instruction(LOAD_64, R1, R10, -8, 0),
            instruction(MOVE, R2, R8, 0, 0),
            instruction(ADD_CONSTANT, R2, 0, 0, list.into()),
            instruction(JUMP_IF_SAME, R1, R2, 3, 0),
            instruction(LOAD_64, R1, R9, to, 0),
            instruction(OR_CONSTANT, R1, 0, 0, kind as i32),
            instruction(STORE_64, R9, R1, to, 0),
        ]);
    }
    let none = lists.body.len() as i16;
    program
        .body
        .push(instruction(JUMP_IF_EQUAL, R8, 0, none, 0));
    program.body.extend(lists.body);
    Some(())
}
