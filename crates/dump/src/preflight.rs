//! What can be refused while the tree still runs, before it is touched; `task` looks at one task.

mod task;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use commensal_sys::{Pid, Tid};

use crate::beside::Beside;
use crate::cgroup::Cgroups;
use crate::files::{self, Around, Unsaved};
use crate::mm::{Allow, Buffers, workers};
use crate::pidns::Pids;
use crate::prepare::{Known, Mapped, Prepared};
use crate::task::unsaved;
use crate::tree::ids::Ids;
use crate::tree::namespaces::{IdsOfTree, Namespaces, has_own, own_pid};
use crate::tree::{Seen, walk};
use crate::userns::{self, Users};
use crate::{Error, Options, Place, Refusal, Result, mnt, proc};

/// Looks at the running tree and refuses what cannot be dumped: everything
/// that is found, not only the first. What was read of the tree is given.
///
/// # Errors
///
/// [`Error::Refused`] with all refusals, [`Error::Gone`] when there is no such
/// task.
pub fn check(root: Pid, options: &Options, beside: &Beside) -> Result<Looked> {
    for _ in 0..LOOKS {
        match look(root, options, beside) {
            // A child that came and went; the tree is another one now.
            Err(Error::Gone { pid }) if pid != root => {}
            looked => return looked,
        }
    }
    look(root, options, beside)
}

/// How often a running tree whose tasks come and go is looked at anew.
const LOOKS: usize = 8;

fn look(root: Pid, options: &Options, beside: &Beside) -> Result<Looked> {
    let tasks = walk(root)?;
    let mut refusals = Vec::new();
    refusals.extend(ourselves(root, &tasks));
    refusals.extend(task::root(&tasks[0], options));
    for task in &tasks {
        refusals.extend(task::kind(task)?);
    }
    // The rest asks for rights over the task, and for a task of a known kind.
    none(refusals)?;
    let (zombies, live): (Vec<_>, Vec<_>) = tasks
        .into_iter()
        .partition(|task| task.status.state == b'Z');
    let pids: Vec<Pid> = live.iter().map(|task| task.pid).collect();
    // To read what is mapped takes as long as all the rest.
    let buffers = Arc::new(Buffers::default());
    let allow = Allow {
        protection_keys: options.accept_loss,
        uprobes: options.allow_uprobes,
        // Where we may not know, the task is refused.
        system_v: has_own(root, "ipc").unwrap_or(false),
    };
    let mapped = look_at_memory(pids.clone(), beside, (allow, &buffers), options);
    let namespaces = within_reach(&live, root)?;
    let users = match namespaces.has_own("user") {
        true => Users::of(root)?,
        false => Users::OURS,
    };
    let mut refusals = userns::check(root, &users)?;
    let ids = |task: &Seen| userns::check_task(task.pid, &task.status, &users, options);
    refusals.extend(live.iter().flat_map(ids));
    none(refusals)?;
    let names = |task: &Seen| (task.pid, task.threads.clone());
    let inside = Pids::of(&namespaces, live.iter().chain(&zombies).map(names))?;
    let zombies: Vec<Pid> = zombies.iter().map(|task| task.pid).collect();
    let rest = beside_memory((&pids, &zombies), (&inside, &users, &namespaces), options);
    let losses = losses(&live);
    let cgroups = cgroups(root, &namespaces, options);
    buffers.make_first();
    // A panic of the thread is one of ours.
    let mapped = beside
        .told(&mapped)
        .expect("the thread tells before it ends");
    let ((ids, unsaved, around, mut refusals), (mapped, refused)) = (rest?, mapped?);
    refusals.extend(refused);
    none(refusals)?;
    let known = Known {
        ids,
        pids: inside,
        users,
        around,
    };
    let prepared = Prepared::new(mapped, known, cgroups?);
    let warnings = Warnings {
        root,
        live,
        losses,
        unsaved,
    };
    Ok(Looked {
        prepared,
        warnings,
        buffers,
    })
}

/// Has the thread beside read what is mapped into the tasks, and then make what will be needed to copy it.
fn look_at_memory(
    tasks: Vec<Pid>,
    beside: &Beside,
    (allow, buffers): (Allow, &Arc<Buffers>),
    options: &Options,
) -> Receiver<Result<LookedAt>> {
    let (tell, told) = channel();
    let (buffers, lazy) = (Arc::clone(buffers), options.lazy_pages.is_some());
    beside.give(move |readers| {
        let mut looked = Mapped::look(&tasks, readers, allow);
        if let Ok((mapped, _)) = &mut looked {
            mapped.measure(lazy);
            buffers.make_others(mapped.sizes().values().copied().collect(), workers());
        }
        // Nobody waits for it after a failure.
        let _ = tell.send(looked);
    });
    told
}

type LookedAt = (Mapped, Vec<Refusal>);

/// What is known of the control groups of the tree of `root`, if they are dumped.
fn cgroups(root: Pid, namespaces: &IdsOfTree, options: &Options) -> Result<Option<Cgroups>> {
    let cgroups = || Cgroups::new(root, namespaces, options);
    options.cgroups.then(cgroups).transpose()
}

/// What there is to warn of in the threads of the tasks.
fn losses(live: &[Seen]) -> Vec<String> {
    // A thread that has ended meanwhile has nothing to lose.
    let losses = live.iter().flat_map(|task| {
        let of = move |tid: &Tid| unsaved::losses(task.pid, *tid, &task.status).ok();
        task.threads.iter().filter_map(of)
    });
    losses.flatten().collect()
}

/// What there is beside the memory of the `live` tasks and of zombies: our own objects, what there is to
/// warn of, what is around the descriptors, and all that cannot be dumped.
fn beside_memory(
    (live, zombies): (&[Pid], &[Pid]),
    known: (&Pids, &Users, &IdsOfTree),
    options: &Options,
) -> Result<(Ids, Unsaved, Around, Vec<Refusal>)> {
    let (_, _, namespaces) = known;
    let ids = Ids::new(namespaces.own())?;
    let mut refusals = sharing(live, &ids)?;
    refusals.extend(mnt::check(live, known, options)?);
    let (refused, unsaved, around) = files::check(live, zombies, known, options)?;
    refusals.extend(refused);
    Ok((ids, unsaved, around, refusals))
}

/// What was read of the tree, and what was made for it.
pub struct Looked {
    /// What is known of it.
    pub prepared: Prepared,
    /// What of it the images will not have.
    pub warnings: Warnings,
    /// What its pages can be copied with.
    pub buffers: Arc<Buffers>,
}

/// What there is to warn of where nothing was refused.
pub struct Warnings {
    root: Pid,
    live: Vec<Seen>,
    losses: Vec<String>,
    unsaved: Unsaved,
}

impl Warnings {
    /// Warns of what else the images do not have.
    pub fn say(&self, users: &Users, options: &Options) {
        users.warn(self.root, options);
        for task in &self.live {
            users.warn_of_groups(task.pid, &task.status);
        }
        for loss in &self.losses {
            tracing::warn!("{loss}");
        }
        files::warn(&self.unsaved);
    }
}

fn none(refusals: Vec<Refusal>) -> Result<()> {
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(Error::Refused(refusals)),
    }
}

/// Refuses tasks of a known kind by their program and namespaces; gives the ids of those.
fn within_reach(live: &[Seen], root: Pid) -> Result<IdsOfTree> {
    let own = Namespaces::own()?;
    let mut of_root = None;
    let mut refusals = Vec::new();
    for task in live {
        match task::inspect(task, &own, &mut of_root) {
            Ok(found) => refusals.extend(found),
            Err(_) if task.pid != root && proc::has_ended(task.pid) => {}
            Err(error) => return Err(error),
        }
    }
    none(refusals)?;
    let (_, of_root) = of_root.ok_or(Error::Gone { pid: root })?;
    Ok(IdsOfTree::between(own, of_root))
}

fn refuse(pid: Pid, what: &str, reason: &str, remedy: &str) -> Refusal {
    Refusal {
        what: what.into(),
        place: Place::Task { pid },
        reason: reason.into(),
        remedy: remedy.into(),
    }
}

/// Whether the tree holds the dumper: it is the root, or a descendant of it.
fn ourselves(root: Pid, tasks: &[Seen]) -> Option<Refusal> {
    let is_there = tasks.iter().any(|task| task.pid == own_pid());
    is_there.then(|| {
        refuse(
            root,
            "the dumper itself or one of its ancestors",
            "a process cannot stop the tree that it is a part of and go on",
            "start the dump from outside of the tree, for example with setsid(1) from another \
             session",
        )
    })
}

/// Tasks that share what a restore cannot make shared. A child of vfork(2) does
/// until it runs a program of its own, which is soon. `ids` has our own objects in it.
fn sharing(tasks: &[Pid], ids: &Ids) -> Result<Vec<Refusal>> {
    const LONGEST: Duration = Duration::from_secs(1);
    let started = Instant::now();
    loop {
        let found = sharing_now(tasks, ids.clone())?;
        if found.is_empty() || started.elapsed() > LONGEST {
            return Ok(found);
        }
        std::thread::yield_now();
    }
}

fn sharing_now(tasks: &[Pid], mut ids: Ids) -> Result<Vec<Refusal>> {
    let mut refusals = Vec::new();
    for &pid in tasks {
        match ids.objects(pid, None) {
            Err(Error::Refused(found)) => refusals.extend(found),
            Err(Error::Sys(error)) if error.is_gone() => {}
            Ok(_) | Err(Error::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(refusals)
}
