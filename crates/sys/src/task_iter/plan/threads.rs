//! Threads.

use core::mem::offset_of;

use super::{Plan, Structure};
use crate::task_iter::{KernelTypes, ThreadRecord};

/// What the record of a thread is made of.
pub fn plan(types: &KernelTypes) -> Option<Plan> {
    let mut plan = Plan::new();
    part(types, &mut plan)?;
    Some(plan)
}

/// Adds what is the own of the thread that is visited.
pub(super) fn part(types: &KernelTypes, plan: &mut Plan) -> Option<()> {
    let task = |field| types.field("task_struct", field);
    let inside = |outer, structure, field| Some(task(outer)? + types.field(structure, field)?);
    let fields = [
        (task("sas_ss_sp"), place!(ThreadRecord, altstack_sp)),
        (task("sas_ss_size"), place!(ThreadRecord, altstack_size)),
        (task("sas_ss_flags"), place!(ThreadRecord, altstack_flags)),
        (task("clear_child_tid"), place!(ThreadRecord, tid_address)),
        (task("cgroups"), place!(ThreadRecord, groups)),
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
        plan.copy(Structure::VISITED, from?, to);
    }
    let children = offset_of!(ThreadRecord, has_children);
    plan.list(Structure::VISITED, task("children")?, children, 1);
    let securebits = ("cred", "cred", "securebits");
    plan.of_structure(types, securebits, place!(ThreadRecord, securebits))?;
    // A count, with 1 in the half above it; or 0 where the kernel does not count.
    if let Some(count) = types.field("mm_struct", "mm_lock_seq") {
        let mm = plan.behind_task(types, "mm")?;
        let to = offset_of!(ThreadRecord, mapping_changes);
        plan.copy(mm, count, (to, 4));
        plan.number(to + 4, 1);
    }
    Some(())
}
