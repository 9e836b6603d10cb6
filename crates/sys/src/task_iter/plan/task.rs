//! A task as a whole.

use core::mem::offset_of;

use super::{Plan, What, objects, plain, threads};
use crate::task_iter::{KernelTypes, Shared, TaskRecord};

/// What the record of a task is made of, by its leader.
pub fn plan(types: &KernelTypes) -> Option<Plan> {
    let mut plan = Plan::new();
    plan.part(offset_of!(TaskRecord, leader));
    threads::part(types, &mut plan)?;
    plan.part(offset_of!(TaskRecord, shared));
    shared(types, &mut plan)?;
    plan.part(offset_of!(TaskRecord, objects));
    objects::part(types, &mut plan)?;
    plan.part(offset_of!(TaskRecord, plain));
    plain::part(types, &mut plan)?;
    plan.part(0);
    let limits = ("signal", "signal_struct", "rlim");
    plan.of_structure(types, limits, place!(TaskRecord, limits))?;
    actions_are_as_given(types)?;
    let actions = ("sighand", "sighand_struct", "action");
    plan.of_structure(types, actions, place!(TaskRecord, actions))?;
    Some(plan)
}

/// Whether the actions of signals are as rt_sigaction(2) gives them.
fn actions_are_as_given(types: &KernelTypes) -> Option<()> {
    let fields = ["sa_handler", "sa_flags", "sa_restorer", "sa_mask"];
    let places = fields.map(|field| types.field("sigaction", field));
    (places == [Some(0), Some(8), Some(16), Some(24)]).then_some(())
}

fn shared(types: &KernelTypes, plan: &mut Plan) -> Option<()> {
    for (field, to) in [
        (("mm", "mm_struct", "brk"), place!(Shared, brk)),
        (("mm", "mm_struct", "flags"), place!(Shared, mm_flags)),
        (
            ("mm", "mm_struct", "membarrier_state"),
            place!(Shared, membarrier),
        ),
        (
            ("signal", "signal_struct", "it_real_incr"),
            place!(Shared, real_interval),
        ),
        (
            ("signal", "signal_struct", "it"),
            place!(Shared, cpu_timers),
        ),
    ] {
        plan.of_structure(types, field, to)?;
    }
    let signal = plan.behind_task(types, "signal")?;
    let state = types.field("signal_struct", "real_timer")? + types.field("hrtimer", "state")?;
    plan.copy(signal, state, (offset_of!(Shared, real_timer), 1));
    let (from, bit) = types.bit("signal_struct", "is_child_subreaper")?;
    let to = offset_of!(Shared, child_subreaper);
    plan.want(signal, from, to, What::Bit(bit));
    descriptors(types, plan)
}

/// Adds which descriptors are open.
fn descriptors(types: &KernelTypes, plan: &mut Plan) -> Option<()> {
    let of_table = |field| types.field("fdtable", field);
    let files = plan.behind_task(types, "files")?;
    let table = plan.behind(files, types.field("files_struct", "fdt")?);
    plan.copy(table, of_table("max_fds")?, place!(Shared, max_fds));
    for (bits, to) in [
        ("open_fds", place!(Shared, open)),
        ("close_on_exec", place!(Shared, close_on_exec)),
    ] {
        let bits = plan.behind(table, of_table(bits)?);
        plan.copy(bits, 0, to);
    }
    Some(())
}
