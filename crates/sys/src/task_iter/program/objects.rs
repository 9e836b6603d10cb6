//! What a task can share with others.

use core::mem::offset_of;

use super::{Program, STORE_32};
use crate::task_iter::KernelTypes;
use crate::task_iter::Objects;

/// Copies what the task in r7 can share.
pub(super) fn part(types: &KernelTypes, program: &mut Program) -> Option<()> {
    for (field, to) in [
        ("mm", place!(Objects, memory)),
        ("files", place!(Objects, files)),
        ("fs", place!(Objects, filesystem)),
        ("sighand", place!(Objects, actions)),
        ("nsproxy", place!(Objects, namespaces)),
    ] {
        program.of_task(types, field, to)?;
    }
    for (field, to) in [
        (("cred", "cred", "user_ns"), place!(Objects, users)),
        (("fs", "fs_struct", "pwd"), place!(Objects, directory)),
        (("fs", "fs_struct", "root"), place!(Objects, root)),
        (("thread_pid", "pid", "level"), place!(Objects, pid_level)),
        (("mm", "mm_struct", "exe_file"), place!(Objects, program)),
    ] {
        program.behind_task(types, field, to)?;
    }
    program.constant(STORE_32, offset_of!(Objects, reserved), 0);
    Some(())
}
