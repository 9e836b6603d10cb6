//! What /proc has a file of its own for.

use core::mem::offset_of;

use zerocopy::FromZeros;

use super::{Field, Piece, R7, R8, STORE_32};
use crate::task_iter::Plain;
use crate::task_iter::btf::Btf;

/// The place of a field in the piece, and its size.
macro_rules! plain {
    ($field:ident) => {
        (
            offset_of!(Plain, $field),
            size_of_val(&Plain::new_zeroed().$field),
        )
    };
}

/// Copies it of the task in r7.
pub(super) fn piece(btf: &Btf) -> Option<Piece> {
    let task = |field| btf.field("task_struct", field);
    let mut piece = Piece::new(size_of::<Plain>());
    // With what is reserved behind it, which the field is then put into.
    piece.constant(STORE_32, offset_of!(Plain, oom_score_adj), 0);
    let login_uid = task("loginuid");
    let is_audited = i32::from(login_uid.is_some());
    piece.constant(STORE_32, offset_of!(Plain, has_login_uid), is_audited);
    piece.constant(STORE_32, offset_of!(Plain, login_uid), 0);
    let own = [
        (Some(task("personality")?), plain!(personality)),
        (login_uid, plain!(login_uid)),
    ];
    for (from, (to, len)) in own {
        if let Some(from) = from {
            piece.copy(R7, &Field { from, to, len });
        }
    }
    let behind = [
        ("mm", "mm_struct", "saved_auxv", plain!(auxv)),
        ("signal", "signal_struct", "posix_timers", plain!(timers)),
        (
            "signal",
            "signal_struct",
            "oom_score_adj",
            plain!(oom_score_adj),
        ),
    ];
    for (pointer, structure, field, (to, len)) in behind {
        piece.follow(R7, task(pointer)?);
        let from = btf.field(structure, field)?;
        piece.copy(R8, &Field { from, to, len });
    }
    Some(piece)
}
