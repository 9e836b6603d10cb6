//! One held thread.

use core::cell::OnceCell;
use std::sync::Arc;

use commensal_sys::ptrace::{self, RseqConfiguration, RseqCs, SIGINFO_LEN};
use commensal_sys::{Pid, Registers, RemoteAddr, Tid, process_vm};
use zerocopy::FromZeros;
use zerocopy::IntoBytes;

use crate::seccomp::Filters;
use crate::status::Seccomp;
use crate::{Error, restart};

/// One thread, stopped and held.
#[derive(Clone, Debug)]
pub struct Thread {
    tid: Tid,
    /// What it is let go with.
    landing: Registers,
    /// What it goes on with after rt_sigreturn(2), or out of an image.
    resume: Registers,
    /// Read once: it is needed for an image and for the thread's way home.
    extended_state: OnceCell<Arc<[u8]>>,
}

/// Room for the largest XSAVE area there is today (AMX), in bytes.
const XSTATE_ROOM: usize = 16 * 1024;

/// How many queued signals are fetched at a time.
const SIGINFO_BATCH: usize = 32;

impl Thread {
    /// Reads the registers of a thread that has just stopped, and puts right
    /// at once what its stop disturbed: should we die, it is right already.
    pub(crate) fn stopped(pid: Pid, tid: Tid, mode: Seccomp) -> Result<Self, Error> {
        let raw = ptrace::registers(tid)?;
        let mut landing = restart::landing(&raw);
        // The kernel restarts such a call by one of its own, which a filter
        // that was not written for it answers as it likes. Reading the filters
        // takes a while: until then, the call is one to be made again.
        let mut set = raw;
        if mode != Seccomp::Off && restart::needs_restart_syscall(&raw) {
            set = restart::resume(pid, &raw);
            ptrace::set_registers(tid, &set)?;
            if !may_restart(tid, mode)? {
                landing = set;
            }
        }
        if raw.syscall().is_none()
            && let Some(abort) = rseq_abort(pid, tid, &raw)?
        {
            landing.rip = abort;
        }
        if landing != set {
            ptrace::set_registers(tid, &landing)?;
        }
        Ok(Self {
            tid,
            landing,
            resume: restart::resume(pid, &landing),
            extended_state: OnceCell::new(),
        })
    }

    /// The thread's id.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// The registers the thread goes on with after a restore: an interrupted
    /// system call is made again.
    pub fn registers(&self) -> &Registers {
        &self.resume
    }

    /// The registers to let it go with: an interrupted call is the kernel's to
    /// restart.
    pub(crate) fn landing(&self) -> &Registers {
        &self.landing
    }

    /// The extended state: the XSAVE area in standard format, as
    /// `NT_X86_XSTATE` gives it.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the thread is gone.
    pub fn extended_state(&self) -> Result<&Arc<[u8]>, Error> {
        if let Some(area) = self.extended_state.get() {
            return Ok(area);
        }
        let mut area = [0; XSTATE_ROOM];
        let len = ptrace::extended_state(self.tid, &mut area)?;
        Ok(self.extended_state.get_or_init(|| Arc::from(&area[..len])))
    }

    /// The first `len` bytes of it, or all where it is shorter: of a thread that is not to be entered
    /// no more need be kept than what is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the thread is gone.
    pub fn start_of_extended_state(&self, len: usize) -> Result<Vec<u8>, Error> {
        if let Some(area) = self.extended_state.get() {
            return Ok(area[..len.min(area.len())].to_vec());
        }
        let mut area = vec![0; len];
        let len = ptrace::extended_state(self.tid, &mut area)?;
        area.truncate(len);
        Ok(area)
    }

    /// The blocked signals, bit n for signal n + 1.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the thread is gone.
    pub fn signal_mask(&self) -> Result<u64, Error> {
        Ok(ptrace::signal_mask(self.tid)?)
    }

    /// The pending signals, of the thread or (`shared`) of its process, in
    /// their order, as siginfo_t.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the thread is gone.
    pub fn pending(&self, shared: bool) -> Result<Vec<[u8; SIGINFO_LEN]>, Error> {
        let mut all = Vec::new();
        loop {
            let mut batch = [[0; SIGINFO_LEN]; SIGINFO_BATCH];
            let n = ptrace::peek_siginfo(self.tid, shared, all.len() as u64, &mut batch)?;
            all.extend_from_slice(&batch[..n]);
            if n < SIGINFO_BATCH {
                return Ok(all);
            }
        }
    }

    /// The registration of restartable sequences.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the thread is gone.
    pub fn rseq(&self) -> Result<Option<RseqConfiguration>, Error> {
        Ok(ptrace::rseq_configuration(self.tid)?)
    }

    /// Whether the thread has its own system calls dispatched to itself (prctl(2),
    /// PR_SET_SYSCALL_USER_DISPATCH).
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the thread is gone.
    pub fn has_syscall_user_dispatch(&self) -> Result<bool, Error> {
        Ok(ptrace::has_syscall_user_dispatch(self.tid)?)
    }

    /// Whether injected code would run as any other code of the thread.
    pub(crate) fn check_enterable(&self) -> Result<(), Error> {
        let refuse = |reason| {
            Err(Error::NotEnterable {
                tid: self.tid,
                reason,
            })
        };
        if !self.landing.is_64bit() {
            return refuse("it runs 32-bit code");
        }
        if self.has_syscall_user_dispatch()? {
            return refuse(
                "it has its own system calls dispatched to itself (prctl(2), \
                           PR_SET_SYSCALL_USER_DISPATCH)",
            );
        }
        if ptrace::has_shadow_stack(self.tid)? {
            return refuse("it has a shadow stack");
        }
        Ok(())
    }
}

/// Whether the thread's seccomp filters let it make restart_syscall(2).
fn may_restart(tid: Tid, mode: Seccomp) -> Result<bool, Error> {
    match Filters::read(tid, mode) {
        Ok(filters) => Ok(filters.let_pass(restart::RESTART)),
        Err(Error::Seccomp { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where a thread must go on that was stopped inside a restartable sequence:
/// what the kernel does when it lets the thread run (kernel/rseq.c).
fn rseq_abort(pid: Pid, tid: Tid, regs: &Registers) -> Result<Option<u64>, Error> {
    let Some(config) = ptrace::rseq_configuration(tid)? else {
        return Ok(None);
    };
    // struct rseq: cpu_id_start, cpu_id, then the pointer rseq_cs.
    let field = RemoteAddr::new(config.pointer.wrapping_add(8));
    let mut pointer = 0u64;
    if process_vm::read(pid, field, pointer.as_mut_bytes()).is_err() || pointer == 0 {
        return Ok(None);
    }
    let mut section = RseqCs::new_zeroed();
    if process_vm::read(pid, RemoteAddr::new(pointer), section.as_mut_bytes()).is_err() {
        return Ok(None);
    }
    Ok(section
        .contains(RemoteAddr::new(regs.rip))
        .then_some(section.abort_ip))
}
