//! A task as a whole.

use core::mem::offset_of;

use super::{
    AND_CONSTANT, Field, LOAD_8, Piece, R1, R7, R8, R10, STORE_32, TASK, instruction, objects,
    plain, threads, visit,
};
use crate::task_iter::btf::Btf;
use crate::task_iter::{Shared, TaskRecord};

/// How much of an array is copied at a time, in bytes.
const CHUNK: usize = 256;

/// Copies a task, by its leader.
pub fn program(btf: &Btf) -> Option<Vec<u64>> {
    let mut pieces = vec![
        threads::piece(btf)?,
        shared(btf)?,
        objects::piece(btf)?,
        plain::piece(btf)?,
    ];
    let task = |field| btf.field("task_struct", field);
    let actions = (task("sighand")?, actions(btf)?);
    let limits = (task("signal")?, btf.field("signal_struct", "rlim")?);
    let record = TaskRecord::default();
    pieces.extend(array(actions, size_of_val(&record.actions)));
    pieces.extend(array(limits, size_of_val(&record.limits)));
    Some(visit(TASK, pieces))
}

/// Where the actions of signals are, if they are as rt_sigaction(2) gives them.
fn actions(btf: &Btf) -> Option<i16> {
    let fields = ["sa_handler", "sa_flags", "sa_restorer", "sa_mask"];
    let places = fields.map(|field| btf.field("sigaction", field));
    (places == [Some(0), Some(8), Some(16), Some(24)]).then_some(())?;
    btf.field("sighand_struct", "action")
}

/// An array behind a pointer of the task.
fn array((pointer, start): (i16, i16), len: usize) -> impl Iterator<Item = Piece> {
    (0..len).step_by(CHUNK).map(move |done| {
        let mut piece = Piece::new(CHUNK.min(len - done));
        piece.follow(R7, pointer);
        let (from, len) = (start + done as i16, piece.len as usize);
        piece.copy(R8, &Field { from, to: 0, len });
        piece
    })
}

fn shared(btf: &Btf) -> Option<Piece> {
    let task = |field| btf.field("task_struct", field);
    let mut piece = Piece::new(size_of::<Shared>());
    let add = |piece: &mut Piece, from: Option<i16>, (to, len)| {
        piece.copy(
            R8,
            &Field {
                from: from?,
                to,
                len,
            },
        );
        Some(())
    };
    piece.follow(R7, task("mm")?);
    let mm = |field| btf.field("mm_struct", field);
    add(&mut piece, mm("brk"), place!(Shared, brk))?;
    add(&mut piece, mm("flags"), place!(Shared, mm_flags))?;
    add(
        &mut piece,
        mm("membarrier_state"),
        place!(Shared, membarrier),
    )?;
    piece.follow(R7, task("signal")?);
    let signal = |field| btf.field("signal_struct", field);
    add(
        &mut piece,
        signal("it_real_incr"),
        place!(Shared, real_interval),
    )?;
    add(&mut piece, signal("it"), place!(Shared, cpu_timers))?;
    let state = signal("real_timer")? + btf.field("hrtimer", "state")?;
    piece.constant(STORE_32, offset_of!(Shared, real_timer), 0);
    add(&mut piece, Some(state), (offset_of!(Shared, real_timer), 1))?;
    subreaper(btf, &mut piece)?;
    piece.follow(R7, task("files")?);
    piece.follow(R8, btf.field("files_struct", "fdt")?);
    let table = |field| btf.field("fdtable", field);
    add(&mut piece, table("max_fds"), place!(Shared, max_fds))?;
    for (bits, place) in [
        ("open_fds", place!(Shared, open)),
        ("close_on_exec", place!(Shared, close_on_exec)),
    ] {
        piece.follow(R7, task("files")?);
        piece.follow(R8, btf.field("files_struct", "fdt")?);
        piece.follow(R8, table(bits)?);
        add(&mut piece, Some(0), place)?;
    }
    Some(piece)
}

/// A single bit of the `signal_struct` in r8.
fn subreaper(btf: &Btf, piece: &mut Piece) -> Option<()> {
    let (from, bit) = btf.bit("signal_struct", "is_child_subreaper")?;
    let (to, len) = (offset_of!(Shared, child_subreaper), 1);
    piece.copy(R8, &Field { from, to, len });
    let to = piece.at(to);
    piece.body.extend([
        instruction(LOAD_8, R1, R10, to, 0),
        instruction(AND_CONSTANT, R1, 0, 0, 1 << bit),
        instruction(STORE_32, R10, R1, to, 0),
    ]);
    Some(())
}
