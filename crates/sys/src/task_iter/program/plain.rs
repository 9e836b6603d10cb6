//! What /proc has a file of its own for.

use core::mem::offset_of;

use super::{Program, STORE_32};
use crate::task_iter::KernelTypes;
use crate::task_iter::Plain;

/// Copies it of the task in r7.
pub(super) fn part(types: &KernelTypes, program: &mut Program) -> Option<()> {
    // With what is reserved behind it, which the field is then put into.
    program.constant(STORE_32, offset_of!(Plain, oom_score_adj), 0);
    program.constant(STORE_32, offset_of!(Plain, login_uid), 0);
    let login_uid = program.of_task(types, "loginuid", place!(Plain, login_uid));
    let is_audited = i32::from(login_uid.is_some());
    program.constant(STORE_32, offset_of!(Plain, has_login_uid), is_audited);
    program.of_task(types, "personality", place!(Plain, personality))?;
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
        program.behind_task(types, field, to)?;
    }
    Some(())
}
