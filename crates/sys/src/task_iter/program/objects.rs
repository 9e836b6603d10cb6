//! What a task can share with others.

use core::mem::offset_of;

use super::{Field, Piece, R7, R8, STORE_32};
use crate::task_iter::Objects;
use crate::task_iter::btf::Btf;

/// The place of a field in the piece, and its size.
macro_rules! object {
    ($field:ident) => {
        (
            offset_of!(Objects, $field),
            size_of_val(&Objects::default().$field),
        )
    };
}

/// Copies what the task in r7 can share.
pub(super) fn piece(btf: &Btf) -> Option<Piece> {
    let task = |field| btf.field("task_struct", field);
    let mut piece = Piece::new(size_of::<Objects>());
    let own = [
        ("mm", object!(memory)),
        ("files", object!(files)),
        ("fs", object!(filesystem)),
        ("sighand", object!(actions)),
        ("nsproxy", object!(namespaces)),
    ];
    for (field, (to, len)) in own {
        let from = task(field)?;
        piece.copy(R7, &Field { from, to, len });
    }
    let behind = [
        ("cred", "cred", "user_ns", object!(users)),
        ("mm", "mm_struct", "exe_file", object!(program)),
        ("fs", "fs_struct", "pwd", object!(directory)),
        ("fs", "fs_struct", "root", object!(root)),
        ("thread_pid", "pid", "level", object!(pid_level)),
    ];
    for (pointer, structure, field, (to, len)) in behind {
        piece.follow(R7, task(pointer)?);
        let from = btf.field(structure, field)?;
        piece.copy(R8, &Field { from, to, len });
    }
    piece.constant(STORE_32, offset_of!(Objects, reserved), 0);
    Some(piece)
}
