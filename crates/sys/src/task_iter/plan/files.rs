//! Descriptors.

use core::mem::offset_of;

use super::{NUMBER, Plan, Structure, VISITED};
use crate::task_iter::{FileRecord, KernelTypes};

/// What the record of a descriptor is made of: its number is in the context, what is visited its file.
pub fn plan(types: &KernelTypes) -> Option<Plan> {
    let mut plan = Plan::new();
    plan.header = vec![
        (VISITED, place!(FileRecord, description)),
        (NUMBER, place!(FileRecord, fd)),
    ];
    match types.pointer("file", "f_owner") {
        Some(owner) => plan.copy(Structure::VISITED, owner, place!(FileRecord, owner)),
        None => plan.number(offset_of!(FileRecord, owner), 1),
    }
    let file = |field| types.field("file", field);
    plan.copy(
        Structure::VISITED,
        file("f_flags")?,
        place!(FileRecord, flags),
    );
    plan.copy(
        Structure::VISITED,
        file("f_path")?,
        place!(FileRecord, path),
    );
    let inode = plan.behind(Structure::VISITED, file("f_inode")?);
    let locks = plan.behind(inode, types.field("inode", "i_flctx")?);
    for (list, kind) in [
        ("flc_flock", FileRecord::FLOCK),
        ("flc_posix", FileRecord::POSIX),
        ("flc_lease", FileRecord::LEASE),
    ] {
        let list = types.field("file_lock_context", list)?;
        plan.list(locks, list, offset_of!(FileRecord, locks), kind as u8);
    }
    Some(plan)
}
