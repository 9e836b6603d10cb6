//! Threads.

use core::mem::offset_of;

use super::{
    ADD_CONSTANT, Field, MOVE, Piece, R1, R7, R8, R10, STORE_32, STORE_64, TASK, instruction, visit,
};
use crate::task_iter::ThreadRecord;
use crate::task_iter::btf::Btf;

/// Copies a thread.
pub fn program(btf: &Btf) -> Option<Vec<u64>> {
    Some(visit(TASK, vec![piece(btf)?]))
}

/// Copies the thread in r7.
pub(super) fn piece(btf: &Btf) -> Option<Piece> {
    let task = |field| btf.field("task_struct", field);
    let inside = |outer, structure, field| Some(task(outer)? + btf.field(structure, field)?);
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
    let mut piece = Piece::new(size_of::<ThreadRecord>());
    for (from, (to, len)) in fields {
        let from = from?;
        piece.copy(R7, &Field { from, to, len });
    }
    // Where the list itself is, not what is in it.
    let children = piece.at(offset_of!(ThreadRecord, children));
    piece.body.extend([
        instruction(MOVE, R1, R7, 0, 0),
        instruction(ADD_CONSTANT, R1, 0, 0, task("children")?.into()),
        instruction(STORE_64, R10, R1, children, 0),
    ]);
    piece.follow(R7, task("cred")?);
    let (to, len) = place!(ThreadRecord, securebits);
    let from = btf.field("cred", "securebits")?;
    piece.copy(R8, &Field { from, to, len });
    piece.constant(STORE_32, offset_of!(ThreadRecord, reserved), 0);
    mapping_changes(
        &mut piece,
        task("mm").zip(btf.field("mm_struct", "mm_lock_seq")),
    );
    Some(piece)
}

/// A count, with 1 in the half above it; or 0 where the kernel does not count.
fn mapping_changes(piece: &mut Piece, places: Option<(i16, i16)>) {
    let to = offset_of!(ThreadRecord, mapping_changes);
    piece.constant(STORE_64, to, 0);
    if let Some((mm, from)) = places {
        piece.follow(R7, mm);
        piece.copy(R8, &Field { from, to, len: 4 });
        piece.constant(STORE_32, to + 4, 1);
    }
}
