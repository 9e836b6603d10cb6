//! What can be refused while the tree still runs, before it is touched.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use commensal_sys::Pid;

use crate::files;
use crate::net::namespace::Networks;
use crate::pidns::{self, Pids};
use crate::prepare::Prepared;
use crate::proc::Status;
use crate::task::unsaved;
use crate::tree::ids::{self, Ids};
use crate::tree::namespaces::{Namespaces, has_time_for_children, own_pid};
use crate::tree::{Seen, walk};
use crate::userns::{self, Users};
use crate::{Error, Options, Place, Refusal, Result, mnt, proc};

/// `PF_KTHREAD` (include/linux/sched.h), in `/proc/PID/stat`.
const PF_KTHREAD: u32 = 0x0020_0000;

/// Looks at the running tree and refuses what cannot be dumped: everything
/// that is found, not only the first. What was read of the tree is given.
///
/// # Errors
///
/// [`Error::Refused`] with all refusals, [`Error::Gone`] when there is no such
/// task.
pub fn check(root: Pid, options: &Options) -> Result<Prepared> {
    for _ in 0..LOOKS {
        match look(root, options) {
            // A child that came and went; the tree is another one now.
            Err(Error::Gone { pid }) if pid != root => {}
            looked => return looked,
        }
    }
    look(root, options)
}

/// How often a running tree whose tasks come and go is looked at anew.
const LOOKS: usize = 8;

fn look(root: Pid, options: &Options) -> Result<Prepared> {
    let tasks = walk(root)?;
    let mut refusals = Vec::new();
    refusals.extend(ourselves(root)?);
    refusals.extend(root_task(&tasks[0], options));
    for task in &tasks {
        refusals.extend(kind(task)?);
    }
    // The rest asks for rights over the task, and for a task of a known kind.
    none(refusals)?;
    let (zombies, live): (Vec<_>, Vec<_>) = tasks
        .into_iter()
        .partition(|task| task.status.state == b'Z');
    none(within_reach(&live, root)?)?;
    let users = Users::of(root)?;
    let mut refusals = userns::check(root, &users)?;
    let ids = |task: &Seen| userns::check_task(task.pid, &task.status, &users, options);
    refusals.extend(live.iter().flat_map(ids));
    none(refusals)?;
    let names = |task: &Seen| (task.pid, task.threads.clone());
    let inside = Pids::of(root, live.iter().chain(&zombies).map(names))?;
    let pids: Vec<Pid> = live.iter().map(|task| task.pid).collect();
    let zombies: Vec<Pid> = zombies.iter().map(|task| task.pid).collect();
    let mut refusals = sharing(&pids)?;
    refusals.extend(mnt::check(&pids, &inside, options)?);
    refusals.extend(files::check(&pids, &zombies, &inside, options)?);
    let mut prepared = Prepared::new(root, &pids, inside, options, &mut refusals)?;
    none(refusals)?;
    prepared.networks = Networks::of(&pids)?;
    prepared.users = users;
    warn(root, &live, &prepared.users, options);
    Ok(prepared)
}

/// Warns of what else the images do not have, now that nothing is looked at again.
fn warn(root: Pid, live: &[Seen], users: &Users, options: &Options) {
    users.warn(root, options);
    for task in live {
        users.warn_of_groups(task.pid, &task.status);
        for &tid in &task.threads {
            // A thread that has ended meanwhile has nothing to lose.
            let _ = unsaved::warn(task.pid, tid);
        }
    }
}

fn none(refusals: Vec<Refusal>) -> Result<()> {
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(Error::Refused(refusals)),
    }
}

/// What is refused of tasks of a known kind, by their program and namespaces.
fn within_reach(live: &[Seen], root: Pid) -> Result<Vec<Refusal>> {
    let own = Namespaces::own()?;
    let mut of_root = None;
    let mut refusals = Vec::new();
    for task in live {
        match inspect(task, &own, &mut of_root) {
            Ok(found) => refusals.extend(found),
            Err(_) if task.pid != root && proc::has_ended(task.pid) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(refusals)
}

fn refuse(pid: Pid, what: &str, reason: &str, remedy: &str) -> Refusal {
    Refusal {
        what: what.into(),
        place: Place::Task { pid },
        reason: reason.into(),
        remedy: remedy.into(),
    }
}

/// Whether the tree holds the dumper: it is the root, or one of its ancestors
/// is.
fn ourselves(root: Pid) -> Result<Option<Refusal>> {
    let mut next = Some(own_pid());
    while let Some(pid) = next {
        if pid == root {
            return Ok(Some(refuse(
                root,
                "the dumper itself or one of its ancestors",
                "a process cannot stop the tree that it is a part of and go on",
                "start the dump from outside of the tree, for example with setsid(1) from another \
                 session",
            )));
        }
        next = proc::Status::of_task(pid)?.ppid;
    }
    Ok(None)
}

/// What is asked of the root only.
fn root_task(root: &Seen, options: &Options) -> Option<Refusal> {
    let pid = root.pid;
    if root.status.state == b'Z' && root.threads.len() == 1 {
        return Some(refuse(
            pid,
            "a zombie",
            "it has ended; only its exit status is left",
            "dump its parent, which has not waited for it yet",
        ));
    }
    if root.status.sid != pid.get() && !root.status.kernel_thread && !options.shell_job {
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
fn kind(task: &Seen) -> Result<Vec<Refusal>> {
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
    if task.status.kernel_thread {
        return Ok(true);
    }
    match proc::Stat::read(task.pid) {
        Ok(stat) => Ok(stat.flags & PF_KTHREAD != 0),
        Err(Error::Gone { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tasks that share what a restore cannot make shared. A child of vfork(2) does
/// until it runs a program of its own, which is soon.
fn sharing(tasks: &[Pid]) -> Result<Vec<Refusal>> {
    const LONGEST: Duration = Duration::from_secs(1);
    let started = Instant::now();
    loop {
        let found = sharing_now(tasks)?;
        if found.is_empty() || started.elapsed() > LONGEST {
            return Ok(found);
        }
        std::thread::yield_now();
    }
}

fn sharing_now(tasks: &[Pid]) -> Result<Vec<Refusal>> {
    let mut ids = Ids::new()?;
    let mut refusals = Vec::new();
    for &pid in tasks {
        match ids.of(pid) {
            Err(Error::Refused(found)) => refusals.extend(found),
            Err(Error::Sys(error)) if error.is_gone() => {}
            Ok(_) | Err(Error::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(refusals)
}

/// What only somebody with the right to ptrace the task can see.
fn inspect(
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
    if pidns::has_another_for_children(pid)? {
        refusals.push(refuse(
            pid,
            "about to have children in a pid namespace of their own",
            "a nested pid namespace is not dumped",
            "dump before unshare(2) with CLONE_NEWPID, or the tree of the new namespace's first task",
        ));
    }
    if has_time_for_children(pid)? {
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
