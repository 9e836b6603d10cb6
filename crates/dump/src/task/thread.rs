//! One thread's image, in two steps: what is seen from outside before
//! anything runs in it, and what it says of itself.

use std::sync::Arc;

use commensal_abi::ThreadInfo;
use commensal_images::messages::{
    CoreEntry, LsmType, March, RseqEntry, TaskCoreEntry, ThreadCoreEntry, ThreadInfoX86,
    ThreadSasEntry, UserDescT, UserX86RegsEntry,
};
use commensal_seized::Thread;
use commensal_sys::{Errno, Pid, Tid, robust_list};

use super::seccomp::Seccomp;
use super::xsave::{self, Layout};
use super::{creds, registers, sched, security, signals};
use crate::proc::Status;
use crate::userns::{self, Users};
use crate::{Error, Options, Place, Refusal, Result};

/// What was seen of a thread before it is collected.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What its status says.
    pub status: Status,
    /// Whether it is known to have no entries in the GDT.
    pub has_no_areas: bool,
    /// Whether its task is stopped.
    pub stopped: bool,
    /// Whether it is going to be entered.
    pub is_entered: bool,
}

/// A thread as it is seen from outside.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The thread.
    pub tid: Tid,
    /// Its seccomp mode and filters.
    pub seccomp: Seccomp,
    /// The blocked signals, bit n for signal n + 1.
    pub blocked: u64,
    pid: Pid,
    status: Status,
    machine: Machine,
    core: ThreadCoreEntry,
}

impl Outside {
    /// Collects a held thread. Must come before anything runs in it: its extended state is read
    /// here.
    ///
    /// # Errors
    ///
    /// When the thread is gone, or does not let itself be read.
    pub fn collect(pid: Pid, thread: &Thread, seen: Seen, layout: &Arc<Layout>) -> Result<Self> {
        let tid = thread.tid();
        let status = seen.status;
        if thread.has_syscall_user_dispatch()? {
            return Err(dispatched(tid).into());
        }
        if seen.is_entered {
            // All of it is needed to enter the thread: read once.
            thread.extended_state()?;
        }
        Ok(Self {
            tid,
            seccomp: Seccomp::of(tid, status.seccomp)?,
            blocked: thread.signal_mask()?,
            machine: Machine::of(thread, layout, seen.has_no_areas)?,
            core: core(thread, &status, seen.stopped)?,
            pid,
            status,
        })
    }

    /// The file mode mask of the task.
    pub fn umask(&self) -> u32 {
        self.status.umask
    }

    /// With what the thread says of itself, and its credentials as its `users` call them.
    ///
    /// # Errors
    ///
    /// When the thread is gone; refused where it is of a user without an id.
    pub fn complete(
        mut self,
        inside: &ThreadInfo,
        module: LsmType,
        (users, options): (&Users, &Options),
    ) -> Result<Complete> {
        let refusals = userns::check_task(self.pid, &self.status, users, options);
        if !refusals.is_empty() {
            return Err(refusals.into());
        }
        self.machine.tid_address = inside.tid_address;
        self.core.sas = Some(ThreadSasEntry {
            ss_sp: inside.altstack.sp,
            ss_size: inside.altstack.size,
            ss_flags: inside.altstack.flags as u32,
        });
        self.core.pdeath_sig = (inside.pdeath_sig != 0).then_some(inside.pdeath_sig as u32);
        let creds = creds::entry(&self.status, inside.securebits, users);
        let place = Place::Thread { tid: self.tid };
        let mut creds = creds.map_err(|unmapped| unmapped.refuse("a thread", place))?;
        security::fill(&mut creds, self.pid, self.tid, module)?;
        self.core.creds = Some(creds);
        Ok(Complete {
            tid: self.tid,
            seccomp: self.seccomp,
            core: self.core,
            blocked: self.blocked,
            machine: self.machine,
        })
    }
}

fn dispatched(tid: Tid) -> Refusal {
    Refusal {
        what: "system call user dispatch".into(),
        place: Place::Thread { tid },
        reason: "the thread has its own system calls dispatched to itself, which the images have no place \
                 for"
        .into(),
        remedy: "dump it after prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF)".into(),
    }
}

/// A thread of which all is known.
#[derive(Clone, Debug)]
pub struct Complete {
    /// The thread.
    pub tid: Tid,
    /// Its seccomp mode and filters.
    pub seccomp: Seccomp,
    /// Its image, still without seccomp.
    pub core: ThreadCoreEntry,
    blocked: u64,
    machine: Machine,
}

impl Complete {
    /// The thread's image; a leader's has its task in it, and with that the
    /// blocked signals. Better made when the thread runs again: there is much in it.
    pub fn into_entry(mut self, task: Option<TaskCoreEntry>) -> CoreEntry {
        if task.is_none() {
            self.core.blk_sigset = Some(self.blocked);
        }
        CoreEntry {
            mtype: March::X8664.into(),
            thread_info: Some(self.machine.into_entry()),
            tc: task,
            ids: None,
            thread_core: Some(self.core),
        }
    }
}

/// The registers of a thread, as the kernel gave them.
#[derive(Clone, Debug)]
struct Machine {
    general: UserX86RegsEntry,
    thread_areas: Vec<UserDescT>,
    tid_address: u64,
    /// Of the standard format, with `layout`.
    extended_state: Vec<u8>,
    layout: Arc<Layout>,
}

impl Machine {
    fn of(thread: &Thread, layout: &Arc<Layout>, has_no_areas: bool) -> Result<Self> {
        let tid = thread.tid();
        let extended_state = thread.start_of_extended_state(layout.end())?;
        if !xsave::is_whole(&extended_state) {
            let call = "PTRACE_GETREGSET";
            return Err(commensal_sys::Error::new(call, tid.get(), Errno::INVAL).into());
        }
        Ok(Self {
            general: registers::general(thread.registers()),
            thread_areas: match has_no_areas {
                true => registers::no_thread_areas(),
                false => registers::thread_areas(tid)?,
            },
            tid_address: 0,
            extended_state,
            layout: Arc::clone(layout),
        })
    }

    fn into_entry(self) -> ThreadInfoX86 {
        ThreadInfoX86 {
            clear_tid_addr: self.tid_address,
            gpregs: self.general,
            fpregs: xsave::split(&self.extended_state, &self.layout).expect("it is whole"),
            tls: self.thread_areas,
        }
    }
}

fn core(thread: &Thread, status: &Status, stopped: bool) -> Result<ThreadCoreEntry> {
    let tid = thread.tid();
    let (robust_head, robust_len) = robust_list::get(tid)?;
    let mut core = ThreadCoreEntry {
        futex_rla: robust_head.get(),
        futex_rla_len: robust_len as u32,
        signals_p: Some(signals::queue(&pending(thread, status, false)?, stopped)),
        comm: Some(status.comm.clone()),
        rseq_entry: Some(rseq(thread)?),
        ..ThreadCoreEntry::default()
    };
    sched::fill(&mut core, tid)?;
    Ok(core)
}

/// The queue of pending signals, of the thread or of its task: mostly `status` says that there
/// are none.
///
/// # Errors
///
/// When the thread is gone.
pub fn pending(
    thread: &Thread,
    status: &Status,
    shared: bool,
) -> Result<Vec<[u8; signals::SIGINFO_LEN]>> {
    let set = match shared {
        true => status.shared_pending,
        false => status.pending,
    };
    match set {
        0 => Ok(Vec::new()),
        _ => Ok(thread.pending(shared)?),
    }
}

/// The registration of restartable sequences. A thread that was stopped inside
/// one goes on at its abort handler, so no critical section is saved.
fn rseq(thread: &Thread) -> Result<RseqEntry, Error> {
    let registration = thread.rseq()?.unwrap_or_default();
    Ok(RseqEntry {
        rseq_abi_pointer: registration.pointer,
        rseq_abi_size: registration.size,
        signature: registration.signature,
        rseq_cs_pointer: None,
    })
}
