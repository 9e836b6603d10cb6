//! The kernel's record of a whole task: all that it would be asked for, so that it need not be entered.

use commensal_abi::{Rlimit, Sigaction, TaskInfo};
use commensal_sys::task_iter::{Objects, Reader, TaskRecord};
use commensal_sys::{RemoteAddr, prctl, process_vm};

use crate::files::FdFlags;
use crate::proc::Status;
use crate::task::misc::Plain;
use crate::tree::namespaces::own_pid;
use crate::userns::Uid;

/// The flags of an address space that mean the same on every kernel (mm/mmap.c): who can dump it
/// (2 bits, prctl(2)), and the filter of core(5) (9 bits).
const KNOWN_FLAGS: u64 = 0x7ff;

/// Of these, what PR_GET_DUMPABLE gives.
const DUMPABLE: u64 = 3;

/// How many descriptors a record tells of.
const DESCRIPTORS: u32 = 256;

/// A record that has all that a task would be asked for.
#[derive(Debug)]
pub struct Task {
    record: TaskRecord,
    /// How many flags its address space has that ours has not.
    other_flags: u32,
    /// Whether it has no transparent huge pages, which the record says by one of these.
    no_huge_pages: bool,
}

/// Our own record, if what its flags mean is known.
pub(super) fn own(reader: &Reader<TaskRecord>) -> Option<TaskRecord> {
    // With the flag that reading its memory leaves behind in a task.
    let (here, mut read) = ([1], [0]);
    let addr = RemoteAddr::new(here.as_ptr() as u64);
    process_vm::read(own_pid(), addr, &mut read).ok()?;
    let records = reader.of(own_pid()).ok()?.read().ok()?;
    let huge_pages_are_disabled = rustix::thread::transparent_huge_pages_are_disabled();
    match records[..] {
        // What we have ourselves could not be told of a task.
        [own] if huge_pages_are_disabled == Ok(false) && !prctl::denies_write_execute() => {
            Some(own)
        }
        _ => None,
    }
}

impl Task {
    /// `None` where the task has something of which only it can tell: a timer that runs, or a
    /// membarrier(2) that is registered. `own` is our own record.
    pub(super) fn new(record: TaskRecord, own: &TaskRecord) -> Option<Self> {
        let shared = &record.shared;
        let has_timer = shared.real_timer != 0
            || shared.real_interval != 0
            || shared.cpu_timers.iter().any(|timer| *timer != 0);
        let other_flags = shared.mm_flags & !(own.shared.mm_flags | KNOWN_FLAGS);
        let is_told = !has_timer && shared.membarrier == 0;
        is_told.then_some(Self {
            record,
            other_flags: other_flags.count_ones(),
            no_huge_pages: false,
        })
    }

    /// The record, if it says what the `status` of the leader says: otherwise it is not what we take it
    /// for. A flag that we ourselves have not must be the one of which the status tells.
    pub fn confirmed(self, status: &Status) -> Option<Self> {
        let record = &self.record;
        let set = |holds: &dyn Fn(u64) -> bool| {
            let actions = record.actions.iter().zip(0..);
            let found = actions.filter(|([handler, ..], _)| holds(*handler));
            found.fold(0, |set, (_, bit)| set | 1u64 << bit)
        };
        let same = set(&|handler| handler == SIG_IGN) == status.ignored
            && set(&|handler| handler != SIG_DFL && handler != SIG_IGN) == status.caught
            && record.shared.max_fds == status.fd_size
            && self.other_flags == u32::from(status.huge_pages_are_disabled);
        same.then_some(Self {
            no_huge_pages: status.huge_pages_are_disabled,
            ..self
        })
    }

    /// What the task would say of itself.
    pub fn info(&self) -> Box<TaskInfo> {
        let record = &self.record;
        let action = |[handler, flags, restorer, mask]: [u64; 4]| Sigaction {
            handler,
            flags,
            restorer,
            mask,
        };
        Box::new(TaskInfo {
            sigactions: record.actions.map(action),
            rlimits: record.limits.map(|[cur, max]| Rlimit { cur, max }),
            brk: record.shared.brk,
            dumpable: (record.shared.mm_flags & DUMPABLE) as u32,
            child_subreaper: u32::from(record.shared.child_subreaper != 0),
            thp_disable: self.no_huge_pages.into(),
            ..TaskInfo::default()
        })
    }

    /// What /proc has a file of its own for; `None` where there are timers, of which the record does not
    /// tell.
    pub fn plain(&self) -> Option<Plain> {
        let told = &self.record.plain;
        let login_uid = (told.has_login_uid != 0).then(|| Uid::told(told.login_uid));
        (told.timers == 0).then(|| Plain {
            personality: told.personality,
            oom_score_adj: told.oom_score_adj.into(),
            login_uid,
            timers: Vec::new(),
        })
    }

    /// The auxiliary vector, without the `AT_NULL` at its end.
    pub fn auxiliary_vector(&self) -> Vec<u64> {
        let pairs = self.record.plain.auxv.chunks_exact(2);
        let pairs = pairs.take_while(|pair| pair[0] != 0);
        pairs.flatten().copied().collect()
    }

    /// What it can share with other tasks.
    pub fn objects(&self) -> &Objects {
        &self.record.objects
    }

    /// The open descriptors; `None` where there are more than the record tells of.
    pub fn open(&self) -> Option<Vec<FdFlags>> {
        let shared = &self.record.shared;
        let has = |bits: &[u64; 4], fd: u32| bits[fd as usize / 64] >> (fd % 64) & 1 == 1;
        let flags = |fd| FdFlags {
            fd: fd as i32,
            cloexec: has(&shared.close_on_exec, fd),
        };
        let all = 0..shared.max_fds;
        (shared.max_fds <= DESCRIPTORS).then(|| {
            let open = all.filter(|fd| has(&shared.open, *fd));
            open.map(flags).collect()
        })
    }
}

/// signal(7), asm-generic/signal-defs.h.
const SIG_DFL: u64 = 0;
const SIG_IGN: u64 = 1;

#[cfg(test)]
mod tests;
