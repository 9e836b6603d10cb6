//! What /proc has a file of its own for.

use core::mem::offset_of;

use super::{Piece, STORE_32};
use crate::task_iter::Plain;
use crate::task_iter::btf::Btf;

/// Copies it of the task in r7.
pub(super) fn piece(btf: &Btf) -> Option<Piece> {
    let mut piece = Piece::new(size_of::<Plain>());
    // With what is reserved behind it, which the field is then put into.
    piece.constant(STORE_32, offset_of!(Plain, oom_score_adj), 0);
    piece.constant(STORE_32, offset_of!(Plain, login_uid), 0);
    let login_uid = piece.of_task(btf, "loginuid", place!(Plain, login_uid));
    let is_audited = i32::from(login_uid.is_some());
    piece.constant(STORE_32, offset_of!(Plain, has_login_uid), is_audited);
    piece.of_task(btf, "personality", place!(Plain, personality))?;
    for (field, to) in [
        (("mm", "mm_struct", "saved_auxv"), place!(Plain, auxv)),
        (
            ("signal", "signal_struct", "posix_timers"),
            place!(Plain, timers),
        ),
        (
            ("signal", "signal_struct", "oom_score_adj"),
            place!(Plain, oom_score_adj),
        ),
    ] {
        piece.behind_task(btf, field, to)?;
    }
    Some(piece)
}
