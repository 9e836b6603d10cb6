//! Threads.

use core::mem::offset_of;

use super::{ADD_CONSTANT, MOVE, Program, R1, R7, R8, STORE_32, STORE_64, TASK, instruction};
use crate::task_iter::KernelTypes;
use crate::task_iter::ThreadRecord;

/// Copies a thread.
pub fn program(types: &KernelTypes) -> Option<Program> {
    let mut program = Program::new(TASK, size_of::<ThreadRecord>());
    part(types, &mut program)?;
    Some(program)
}

/// Copies what is the own of the thread in r7.
pub(super) fn part(types: &KernelTypes, program: &mut Program) -> Option<()> {
    let task = |field| types.field("task_struct", field);
    let inside = |outer, structure, field| Some(task(outer)? + types.field(structure, field)?);
    let fields = [
        (task("sas_ss_sp"), place!(ThreadRecord, altstack_sp)),
        (task("sas_ss_size"), place!(ThreadRecord, altstack_size)),
        (task("sas_ss_flags"), place!(ThreadRecord, altstack_flags)),
        (task("clear_child_tid"), place!(ThreadRecord, tid_address)),
        (task("cgroups"), place!(ThreadRecord, groups)),
        // `next`, the first of the two pointers of a `list_head`.
        (task("children"), place!(ThreadRecord, first_child)),
        (task("cred"), place!(ThreadRecord, credentials)),
        (task("atomic_flags"), place!(ThreadRecord, flags)),
        (
            inside("pending", "sigpending", "signal"),
            place!(ThreadRecord, pending),
        ),
        (
            inside("thread", "thread_struct", "tls_array"),
            place!(ThreadRecord, areas),
        ),
        (task("comm"), place!(ThreadRecord, comm)),
        (task("pid"), place!(ThreadRecord, tid)),
        (task("pdeath_signal"), place!(ThreadRecord, pdeath_sig)),
        (
            inside("seccomp", "seccomp", "mode"),
            place!(ThreadRecord, seccomp),
        ),
    ];
    for (from, to) in fields {
        program.copy(R7, from?, to);
    }
    // Where the list itself is, not what is in it.
    program.body.extend([
        instruction(MOVE, R1, R7, 0, 0),
        instruction(ADD_CONSTANT, R1, 0, 0, task("children")?.into()),
    ]);
    program.store(STORE_64, R1, offset_of!(ThreadRecord, children));
    let securebits = ("cred", "cred", "securebits");
    program.behind_task(types, securebits, place!(ThreadRecord, securebits))?;
    program.constant(STORE_32, offset_of!(ThreadRecord, reserved), 0);
    let count = task("mm").zip(types.field("mm_struct", "mm_lock_seq"));
    mapping_changes(program, count);
    Some(())
}

/// A count, with 1 in the half above it; or 0 where the kernel does not count.
fn mapping_changes(program: &mut Program, places: Option<(i16, i16)>) {
    let to = offset_of!(ThreadRecord, mapping_changes);
    program.constant(STORE_64, to, 0);
    if let Some((mm, from)) = places {
        program.follow(R7, mm);
        program.copy(R8, from, (to, 4));
        program.constant(STORE_32, to + 4, 1);
    }
}
