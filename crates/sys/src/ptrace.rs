//! ptrace(2), one function for each request.
//!
//! A tracee belongs to the thread that seized it: every call here must be made
//! by that thread, or it fails with ESRCH. The types built on this module are
//! neither `Send` nor `Sync` for that reason.

mod rseq;

use core::mem::size_of;

use linux_raw_sys::general::__NR_ptrace;
use linux_raw_sys::ptrace as uapi;

pub use rseq::{RseqConfiguration, RseqCs, rseq_configuration};

use crate::{Errno, Error, Registers, RemoteAddr, Result, Tid, raw};

/// `NT_X86_XSTATE` (linux/elf.h): the XSAVE area, in standard format.
const NT_X86_XSTATE: u64 = 0x202;

/// Options for [`seize`]: `PTRACE_O_*`. Never `PTRACE_O_EXITKILL`: a tracer
/// that dies must not take the target with it, so there is no way to say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `PTRACE_O_SUSPEND_SECCOMP`: the tracee's seccomp filters do not apply
    /// while it is traced; needs CAP_SYS_ADMIN.
    pub suspend_seccomp: bool,
    /// `PTRACE_O_TRACEEXIT`: the tracee stops when it is about to end, its
    /// own tracees still held.
    pub trace_exit: bool,
}

impl Options {
    const fn bits(self) -> u64 {
        let mut bits = uapi::PTRACE_O_TRACESYSGOOD;
        if self.suspend_seccomp {
            bits |= uapi::PTRACE_O_SUSPEND_SECCOMP;
        }
        if self.trace_exit {
            bits |= uapi::PTRACE_O_TRACEEXIT;
        }
        bits as u64
    }
}

/// `PTRACE_SEIZE`: attaches without stopping; system call stops are marked
/// (`PTRACE_O_TRACESYSGOOD`).
///
/// # Errors
///
/// EPERM when the thread is traced already, is a zombie, or may not be traced
/// by us; ESRCH when there is no such thread.
pub fn seize(tid: Tid, options: Options) -> Result<()> {
    request("PTRACE_SEIZE", uapi::PTRACE_SEIZE, tid, 0, options.bits())
}

/// `PTRACE_ATTACH`: attaches, and asks the thread to stop in the same call, by a SIGSTOP, which its
/// tracer is told of and can leave out ([`detach`], [`cont`]).
///
/// # Errors
///
/// As [`seize`].
pub fn attach(tid: Tid) -> Result<()> {
    request("PTRACE_ATTACH", uapi::PTRACE_ATTACH, tid, 0, 0)
}

/// `PTRACE_INTERRUPT`: asks the thread to stop with `PTRACE_EVENT_STOP`.
pub fn interrupt(tid: Tid) -> Result<()> {
    request("PTRACE_INTERRUPT", uapi::PTRACE_INTERRUPT, tid, 0, 0)
}

/// `PTRACE_CONT`: lets a stopped thread run, delivering `signal` (0: none).
pub fn cont(tid: Tid, signal: i32) -> Result<()> {
    request("PTRACE_CONT", uapi::PTRACE_CONT, tid, 0, signal as u64)
}

/// `PTRACE_LISTEN`: lets a thread in group-stop stay there, without holding it.
pub fn listen(tid: Tid) -> Result<()> {
    request("PTRACE_LISTEN", uapi::PTRACE_LISTEN, tid, 0, 0)
}

/// `PTRACE_SYSCALL`: lets a stopped thread run to its next system call stop.
pub fn syscall(tid: Tid, signal: i32) -> Result<()> {
    request(
        "PTRACE_SYSCALL",
        uapi::PTRACE_SYSCALL,
        tid,
        0,
        signal as u64,
    )
}

/// `PTRACE_DETACH`: lets a stopped thread go, delivering `signal` (0: none).
///
/// # Errors
///
/// ESRCH when the thread is gone, or not stopped.
pub fn detach(tid: Tid, signal: i32) -> Result<()> {
    let signal = signal as u64;
    request("PTRACE_DETACH", uapi::PTRACE_DETACH, tid, 0, signal)
}

/// `PTRACE_POKEDATA`: writes eight bytes to the thread's memory, whatever the
/// protection of a private mapping there.
pub fn poke(tid: Tid, addr: RemoteAddr, word: u64) -> Result<()> {
    let (call, poke) = ("PTRACE_POKEDATA", uapi::PTRACE_POKEDATA);
    request(call, poke, tid, addr.get(), word)
}

/// `PTRACE_GETREGS`.
pub fn registers(tid: Tid) -> Result<Registers> {
    let mut regs = Registers::default();
    // SAFETY: PTRACE_GETREGS writes one user_regs_struct to `data`, which is
    // what `regs` is, exclusively borrowed here.
    let done = unsafe { ptrace(uapi::PTRACE_GETREGS, tid, 0, &raw mut regs as u64) };
    done.map_err(|errno| Error::new("PTRACE_GETREGS", tid.get(), errno))?;
    Ok(regs)
}

/// `PTRACE_SETREGS`.
///
/// # Errors
///
/// ESRCH when the thread is gone or not stopped, EIO for a segment or base the
/// processor would not take.
pub fn set_registers(tid: Tid, regs: &Registers) -> Result<()> {
    // SAFETY: PTRACE_SETREGS only reads one user_regs_struct from `data`.
    let done = unsafe { ptrace(uapi::PTRACE_SETREGS, tid, 0, &raw const *regs as u64) };
    done.map(drop)
        .map_err(|errno| Error::new("PTRACE_SETREGS", tid.get(), errno))
}

/// `PTRACE_GETREGSET` of the extended state: fills `area` with as much of the
/// XSAVE area as fits and gives its length in bytes.
pub fn extended_state(tid: Tid, area: &mut [u8]) -> Result<usize> {
    let mut iovec = [area.as_mut_ptr() as u64, area.len() as u64];
    // SAFETY: PTRACE_GETREGSET writes at most iov_len bytes to iov_base, which
    // is `area`, exclusively borrowed, and the length back into `iovec`.
    let done = unsafe {
        ptrace(
            uapi::PTRACE_GETREGSET,
            tid,
            NT_X86_XSTATE,
            iovec.as_mut_ptr() as u64,
        )
    };
    done.map_err(|errno| Error::new("PTRACE_GETREGSET", tid.get(), errno))?;
    Ok((iovec[1] as usize).min(area.len()))
}

/// `PTRACE_SETREGSET` of the extended state, as [`extended_state`] gave it.
pub fn set_extended_state(tid: Tid, area: &[u8]) -> Result<()> {
    let mut iovec = [area.as_ptr() as u64, area.len() as u64];
    let (request, data) = (uapi::PTRACE_SETREGSET, iovec.as_mut_ptr() as u64);
    // SAFETY: PTRACE_SETREGSET only reads at most iov_len bytes from iov_base,
    // which is `area`, and writes the length back into `iovec`.
    let done = unsafe { ptrace(request, tid, NT_X86_XSTATE, data) };
    done.map(drop)
        .map_err(|errno| Error::new("PTRACE_SETREGSET", tid.get(), errno))
}

/// `PTRACE_GETSIGMASK`: the blocked signals, bit n for signal n + 1. Of a
/// thread inside ppoll(2) or sigsuspend(2): the mask it had before.
pub fn signal_mask(tid: Tid) -> Result<u64> {
    let mut mask = 0u64;
    // SAFETY: PTRACE_GETSIGMASK writes `addr` (8) bytes to `data`, a u64.
    let done = unsafe { ptrace(uapi::PTRACE_GETSIGMASK, tid, 8, &raw mut mask as u64) };
    done.map_err(|errno| Error::new("PTRACE_GETSIGMASK", tid.get(), errno))?;
    Ok(mask)
}

/// `PTRACE_SETSIGMASK`.
pub fn set_signal_mask(tid: Tid, mask: u64) -> Result<()> {
    // SAFETY: PTRACE_SETSIGMASK only reads `addr` (8) bytes from `data`, a u64.
    let done = unsafe { ptrace(uapi::PTRACE_SETSIGMASK, tid, 8, &raw const mask as u64) };
    done.map(drop)
        .map_err(|errno| Error::new("PTRACE_SETSIGMASK", tid.get(), errno))
}

/// The size of `siginfo_t` (sigaction(2)), in bytes.
pub const SIGINFO_LEN: usize = 128;

/// `struct __ptrace_peeksiginfo_args`.
#[repr(C)]
struct PeekSiginfo {
    offset: u64,
    flags: u32,
    count: i32,
}

/// `PTRACE_PEEKSIGINFO`: the pending signals from the `offset`th on, of the
/// thread or (`shared`) of its process, as many as fit `batch`; gives how many.
/// Nothing is taken from the queue.
pub fn peek_siginfo(
    tid: Tid,
    shared: bool,
    offset: u64,
    batch: &mut [[u8; SIGINFO_LEN]],
) -> Result<usize> {
    let flags = if shared {
        uapi::PTRACE_PEEKSIGINFO_SHARED
    } else {
        0
    };
    let args = PeekSiginfo {
        offset,
        flags,
        count: batch.len().min(1 << 16) as i32,
    };
    let data = batch.as_mut_ptr() as u64;
    // SAFETY: PTRACE_PEEKSIGINFO reads its arguments from `addr` and writes at
    // most `count` siginfo_t of 128 bytes to `data`, which has room for them.
    let done = unsafe { ptrace(uapi::PTRACE_PEEKSIGINFO, tid, &raw const args as u64, data) };
    match done {
        Ok(count) => Ok((count as usize).min(batch.len())),
        Err(errno) => Err(Error::new("PTRACE_PEEKSIGINFO", tid.get(), errno)),
    }
}

/// `PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG`: whether the thread has its own
/// system calls turned into SIGSYS (prctl(2), PR_SET_SYSCALL_USER_DISPATCH).
/// `false` on kernels without it.
pub fn has_syscall_user_dispatch(tid: Tid) -> Result<bool> {
    // struct ptrace_sud_config: mode, selector, offset, len.
    let mut config = [0u64; 4];
    let request = uapi::PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG;
    let data = config.as_mut_ptr() as u64;
    // SAFETY: the request writes `addr` bytes, the size of `config`.
    let done = unsafe { ptrace(request, tid, size_of_val(&config) as u64, data) };
    match done {
        Ok(_) => Ok(config[0] != 0),
        Err(Errno::IO | Errno::INVAL) => Ok(false),
        Err(errno) => Err(Error::new(
            "PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG",
            tid.get(),
            errno,
        )),
    }
}

/// `NT_X86_SHSTK` (linux/elf.h): the shadow stack pointer.
const NT_X86_SHSTK: u64 = 0x204;

/// `PTRACE_GETREGSET` of the shadow stack: whether the thread has one. `false`
/// on kernels and processors without them.
pub fn has_shadow_stack(tid: Tid) -> Result<bool> {
    let mut pointer = 0u64;
    let mut iovec = [&raw mut pointer as u64, size_of::<u64>() as u64];
    let data = iovec.as_mut_ptr() as u64;
    // SAFETY: PTRACE_GETREGSET writes at most iov_len bytes to iov_base, which
    // is `pointer`, and the length back into `iovec`.
    let done = unsafe { ptrace(uapi::PTRACE_GETREGSET, tid, NT_X86_SHSTK, data) };
    match done {
        Ok(_) => Ok(true),
        Err(Errno::NODEV | Errno::INVAL | Errno::IO) => Ok(false),
        Err(errno) => Err(Error::new("PTRACE_GETREGSET", tid.get(), errno)),
    }
}

/// A request that passes numbers only.
fn request(call: &'static str, request: u32, tid: Tid, addr: u64, data: u64) -> Result<()> {
    // SAFETY: the callers' requests (SEIZE, INTERRUPT, CONT, LISTEN, SYSCALL,
    // DETACH, POKEDATA) take no address of ours in `addr` or `data` (ptrace(2)).
    let done = unsafe { ptrace(request, tid, addr, data) };
    done.map(drop)
        .map_err(|errno| Error::new(call, tid.get(), errno))
}

/// # Safety
///
/// `addr` and `data` must be what ptrace(2) says of `request`.
unsafe fn ptrace(request: u32, tid: Tid, addr: u64, data: u64) -> Result<u64, Errno> {
    let args = [u64::from(request), tid.get() as u64, addr, data, 0, 0];
    // SAFETY: the caller's promise.
    unsafe { raw::syscall(__NR_ptrace, args) }
}
