//! What /proc has a file of its own for.

use core::mem::offset_of;

use super::Plan;
use crate::task_iter::{KernelTypes, Plain};

/// Adds it of the task that is visited.
pub(super) fn part(types: &KernelTypes, plan: &mut Plan) -> Option<()> {
    let login_uid = plan.of_task(types, "loginuid", place!(Plain, login_uid));
    if login_uid.is_some() {
        plan.number(offset_of!(Plain, has_login_uid), 1);
    }
    plan.of_task(types, "personality", place!(Plain, personality))?;
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
        plan.of_structure(types, field, to)?;
    }
    Some(())
}
