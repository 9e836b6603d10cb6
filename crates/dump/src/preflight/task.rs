//! What is refused of one task.

use std::fs::File;
use std::io::Read;

use commensal_sys::Pid;

use super::refuse;
use crate::proc::Status;
use crate::task::sched;
use crate::tree::Seen;
use crate::tree::ids;
use crate::tree::namespaces::Namespaces;
use crate::{Error, Options, Refusal, Result, pidns, proc, userns};

/// `PF_KTHREAD` (include/linux/sched.h), in `/proc/PID/stat`.
const PF_KTHREAD: u32 = 0x0020_0000;

/// What is asked of the root only.
pub(super) fn root(root: &Seen, options: &Options) -> Option<Refusal> {
    let pid = root.pid;
    if root.status.state == b'Z' && root.threads.len() == 1 {
        return Some(refuse(
            pid,
            "a zombie",
            "it has ended; only its exit status is left",
            "dump its parent, which has not waited for it yet",
        ));
    }
    let kernel_thread = root.status.kernel_thread == Some(true);
    if root.status.sid != pid.get() && !kernel_thread && !options.shell_job {
        return Some(refuse(
            pid,
            "not the leader of its session",
            "the session's leader and its terminal are outside of the tree",
            "pass --shell-job, and restore with it from a terminal; or start the program with \
             setsid(1)",
        ));
    }
    None
}

/// What kind of task it is, which everyone may see.
pub(super) fn kind(task: &Seen) -> Result<Vec<Refusal>> {
    let pid = task.pid;
    let mut refusals = Vec::new();
    if is_kernel_thread(task)? {
        refusals.push(refuse(
            pid,
            "a kernel thread",
            "it has no program of its own",
            "name a process of a user",
        ));
    }
    if let Some(tracer) = task.status.tracer {
        refusals.push(refuse(
            pid,
            &format!("traced by task {tracer}"),
            "only one task can trace another at a time (ptrace(2))",
            "end the debugger or tracer first",
        ));
    }
    if task.status.state == b'Z' && task.threads.len() > 1 {
        refusals.push(refuse(
            pid,
            "a task whose leader has ended while other threads live",
            "the image format has no place for it",
            "none; dump it before its main thread calls pthread_exit(3)",
        ));
    }
    if task.status.core_dumping {
        refusals.push(refuse(
            pid,
            "a task that is writing a core file",
            "it was killed and is about to end",
            "none",
        ));
    }
    Ok(refusals)
}

/// Kernels before 6.8 tell it by a flag in `stat` only.
fn is_kernel_thread(task: &Seen) -> Result<bool> {
    if let Some(told) = task.status.kernel_thread {
        return Ok(told);
    }
    match proc::Stat::read(task.pid) {
        Ok(stat) => Ok(stat.flags & PF_KTHREAD != 0),
        Err(Error::Gone { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What only somebody with the right to ptrace the task can see.
pub(super) fn inspect(
    task: &Seen,
    own: &Namespaces,
    of_root: &mut Option<(Status, Namespaces)>,
) -> Result<Vec<Refusal>> {
    let pid = task.pid;
    if let Some(refusal) = without_right(pid)? {
        return Ok(vec![refusal]);
    }
    let mut refusals = Vec::new();
    let namespaces = Namespaces::of(pid)?;
    let (root_status, of_root) = of_root.get_or_insert_with(|| (task.status.clone(), namespaces));
    refusals.extend(
        of_root
            .foreign(own, &namespaces)
            .into_iter()
            .map(|kind| match kind {
                "user" => userns::nested(pid),
                kind => ids::elsewhere(pid, kind),
            }),
    );
    if namespaces.differences(of_root).contains(&"net") {
        refusals.extend(userns::foreign_network(pid)?);
    }
    if namespaces.differences(own).contains(&"pid") {
        refusals.extend(pidns::check(pid, &task.status, root_status));
    }
    if namespaces.have_pids_for_children(pid)? {
        refusals.push(refuse(
            pid,
            "about to have children in a pid namespace of their own",
            "a nested pid namespace is not dumped",
            "dump before unshare(2) with CLONE_NEWPID, or the tree of the new namespace's first task",
        ));
    }
    refusals.extend(task.threads.iter().filter_map(|tid| sched::check(*tid)));
    if namespaces.have_time_for_children(pid)? {
        refusals.push(refuse(
            pid,
            "about to have children in a time namespace of their own",
            "a nested time namespace is not dumped",
            "dump before unshare(2) with CLONE_NEWTIME",
        ));
    }
    if is_32_bit(pid)? {
        refusals.push(refuse(
            pid,
            "a 32-bit task",
            "only 64-bit x86 code is dumped",
            "use a 64-bit build of the program",
        ));
    }
    Ok(refusals)
}

/// Opening `/proc/PID/mem` asks the kernel the same question as attaching.
fn without_right(pid: Pid) -> Result<Option<Refusal>> {
    let path = proc::path(pid, "mem");
    match File::open(&path) {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(Some(refuse(
            pid,
            "out of our reach",
            "the kernel does not let this user trace it (ptrace(2), \"Ptrace access mode \
             checking\")",
            "run as its user or as root; where kernel.yama.ptrace_scope is set, as root",
        ))),
        Err(error) => Err(proc::error(pid, path, error)),
    }
}

/// Whether the task's program is a 32-bit one, by its ELF class (elf(5)).
fn is_32_bit(pid: Pid) -> Result<bool> {
    const ELFCLASS32: u8 = 1;
    let path = proc::path(pid, "exe");
    let mut ident = [0u8; 5];
    let read = File::open(&path).and_then(|mut exe| exe.read_exact(&mut ident));
    read.map_err(|error| proc::error(pid, path, error))?;
    Ok(ident[4] == ELFCLASS32)
}
