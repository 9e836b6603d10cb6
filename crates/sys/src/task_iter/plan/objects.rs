//! What a task can share with others.

use super::Plan;
use crate::task_iter::{KernelTypes, Objects};

/// Adds what the task that is visited can share.
pub(super) fn part(types: &KernelTypes, plan: &mut Plan) -> Option<()> {
    for (field, to) in [
        ("mm", place!(Objects, memory)),
        ("files", place!(Objects, files)),
        ("fs", place!(Objects, filesystem)),
        ("sighand", place!(Objects, actions)),
        ("nsproxy", place!(Objects, namespaces)),
    ] {
        plan.of_task(types, field, to)?;
    }
    for (field, to) in [
        (("cred", "cred", "user_ns"), place!(Objects, users)),
        (("fs", "fs_struct", "pwd"), place!(Objects, directory)),
        (("fs", "fs_struct", "root"), place!(Objects, root)),
        (("thread_pid", "pid", "level"), place!(Objects, pid_level)),
        (("mm", "mm_struct", "exe_file"), place!(Objects, program)),
    ] {
        plan.of_structure(types, field, to)?;
    }
    Some(())
}
