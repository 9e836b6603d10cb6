//! A task as a whole.

use core::mem::offset_of;

use super::{
    AND_CONSTANT, LOAD_8, Program, R1, R7, R8, R9, STORE_32, TASK, instruction, objects, plain,
    threads,
};
use crate::task_iter::KernelTypes;
use crate::task_iter::{Shared, TaskRecord};

/// Copies a task, by its leader.
pub fn program(types: &KernelTypes) -> Option<Program> {
    let mut program = Program::new(TASK, size_of::<TaskRecord>());
    program.part(offset_of!(TaskRecord, leader));
    threads::part(types, &mut program)?;
    program.part(offset_of!(TaskRecord, shared));
    shared(types, &mut program)?;
    program.part(offset_of!(TaskRecord, objects));
    objects::part(types, &mut program)?;
    program.part(offset_of!(TaskRecord, plain));
    plain::part(types, &mut program)?;
    program.part(0);
    let limits = ("signal", "signal_struct", "rlim");
    program.behind_task(types, limits, place!(TaskRecord, limits))?;
    actions_are_as_given(types)?;
    let actions = ("sighand", "sighand_struct", "action");
    program.behind_task(types, actions, place!(TaskRecord, actions))?;
    Some(program)
}

/// Whether the actions of signals are as rt_sigaction(2) gives them.
fn actions_are_as_given(types: &KernelTypes) -> Option<()> {
    let fields = ["sa_handler", "sa_flags", "sa_restorer", "sa_mask"];
    let places = fields.map(|field| types.field("sigaction", field));
    (places == [Some(0), Some(8), Some(16), Some(24)]).then_some(())
}

fn shared(types: &KernelTypes, program: &mut Program) -> Option<()> {
    let task = |field| types.field("task_struct", field);
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
        program.behind_task(types, field, to)?;
    }
    program.follow(R7, task("signal")?);
    let state = types.field("signal_struct", "real_timer")? + types.field("hrtimer", "state")?;
    program.constant(STORE_32, offset_of!(Shared, real_timer), 0);
    program.copy(R8, state, (offset_of!(Shared, real_timer), 1));
    subreaper(types, program)?;
    let table = |program: &mut Program| {
        program.follow(R7, task("files")?);
        program.follow(R8, types.field("files_struct", "fdt")?);
        Some(())
    };
    let of_table = |field| types.field("fdtable", field);
    table(program)?;
    program.copy(R8, of_table("max_fds")?, place!(Shared, max_fds));
    for (bits, to) in [
        ("open_fds", place!(Shared, open)),
        ("close_on_exec", place!(Shared, close_on_exec)),
    ] {
        table(program)?;
        program.follow(R8, of_table(bits)?);
        program.copy(R8, 0, to);
    }
    Some(())
}

/// A single bit of the `signal_struct` in r8.
fn subreaper(types: &KernelTypes, program: &mut Program) -> Option<()> {
    let (from, bit) = types.bit("signal_struct", "is_child_subreaper")?;
    let to = offset_of!(Shared, child_subreaper);
    program.copy(R8, from, (to, 1));
    let place = program.at(to);
    program.body.extend([
        instruction(LOAD_8, R1, R9, place, 0),
        instruction(AND_CONSTANT, R1, 0, 0, 1 << bit),
    ]);
    program.store(STORE_32, R1, to);
    Some(())
}
