//! Running system calls in a held thread.
//!
//! At every instant of an injection the thread's registers and the frames in
//! the scratch bytes lead home: a call that is made from `syscall; ret` with
//! the stack pointer at a *leave slot* returns, if nobody stops it, to the
//! signal restorer named there, and rt_sigreturn(2) does the rest. With us
//! alive it never comes to that: the thread is stopped at the exit of the call
//! and in the end gets its registers back as they were.

mod landing;
mod stops;

pub use landing::Landed;

use std::sync::Arc;

use commensal_sys::{NO_SYSCALL, Pid, Registers, RemoteAddr, Tid, process_vm, ptrace, xstate};
use zerocopy::IntoBytes;

use crate::gadget::Gadgets;
use crate::scratch::Scratch;
use crate::seccomp::{Call, Filters};
use crate::sigframe::{FRAME_LEN, SigFrame, signal_fpstate};
use crate::{Error, Seized};

/// The places from which a thread leaves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveSlot {
    /// Straight home.
    Home,
    /// Through the call of [`Injection::set_detour`], then home.
    Unmap,
}

/// A call's number and arguments.
type Detour = (u32, [u64; 6]);

/// Bytes for the results of calls, in front of the frames.
const DATA_LEN: usize = 64;
const UNMAP_AT: usize = DATA_LEN;
const HOME_AT: usize = UNMAP_AT + FRAME_LEN;
/// XRSTOR wants its area aligned to 64 bytes.
const FPSTATE_AT: usize = (HOME_AT + FRAME_LEN).next_multiple_of(64);

/// Flags of a thread that runs code of ours: interrupts on, all else off.
const EFLAGS: u64 = 0x202;

/// A thread that runs system calls for us. [`Injection::land`], or dropping
/// it, puts it back where it was.
#[derive(Debug)]
pub struct Injection {
    pid: Pid,
    tid: Tid,
    gadgets: Gadgets,
    scratch: Scratch,
    /// Where a target that is not doomed needs their consent.
    filters: Option<Filters>,
    landing: Registers,
    mask: u64,
    extended_state: Arc<[u8]>,
    leave: LeaveSlot,
    /// The call on the way home through [`LeaveSlot::Unmap`].
    detour: Option<Detour>,
    /// Whether the thread has left its place, and must be landed.
    entered: bool,
    /// Whether it was let run, and no stop of it was seen since.
    running: bool,
    /// Whether it was let run to the event stop that it is landed from.
    approaching: bool,
    /// Whether it ran code that uses more than general registers.
    ran_code: bool,
    /// Whether nothing is left to be put back.
    over: bool,
}

impl Injection {
    /// Prepares thread `tid`, which does not run yet. `above` is an injection
    /// whose frames must be left alone.
    ///
    /// # Errors
    ///
    /// [`Error::NotEnterable`], [`Error::Seccomp`], [`Error::NoGadget`] and
    /// [`Error::NoScratch`] where the thread would not find home by itself;
    /// [`Error::Sys`] when the task is gone.
    pub fn prepare(task: &mut Seized, tid: Tid, above: Option<&Injection>) -> Result<Self, Error> {
        let thread = task.thread(tid)?;
        // /proc shows no memory of a task without its main thread.
        if task.thread(task.pid().leader()).is_err() {
            let reason = "its task's main thread has ended";
            return Err(Error::NotEnterable { tid, reason });
        }
        thread.check_enterable()?;
        let filters = task.filters(tid)?;
        let gadgets = task.gadgets()?;
        let mask = thread.signal_mask()?;
        let extended_state = Arc::clone(thread.extended_state()?);
        let fpstate = signal_fpstate(extended_state.to_vec(), xstate::tile_data_offset());
        let skip = above.map_or(0, |other| other.scratch.taken());
        let len = FPSTATE_AT + fpstate.len();
        let scratch = Scratch::take(task.pid(), task.maps()?, task.main_thread(), skip, len)?;
        let injection = Self {
            pid: task.pid(),
            tid,
            gadgets,
            scratch,
            filters,
            landing: *thread.landing(),
            mask,
            extended_state,
            leave: LeaveSlot::Home,
            detour: None,
            entered: false,
            running: false,
            approaching: false,
            ran_code: false,
            over: false,
        };
        injection.scratch.write(FPSTATE_AT, &fpstate)?;
        let fpstate = injection.at(FPSTATE_AT);
        let home = SigFrame::new(gadgets.way, thread.registers(), mask, Some(fpstate));
        injection.scratch.write(HOME_AT, home.as_bytes())?;
        Ok(injection)
    }

    /// The thread.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// Bytes in the target for the results of calls.
    pub fn data(&self) -> RemoteAddr {
        self.at(0)
    }

    /// Reads those bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the task is gone.
    pub fn read_data<const N: usize>(&self) -> Result<[u8; N], Error> {
        const { assert!(N <= DATA_LEN) };
        let mut bytes = [0; N];
        process_vm::read(self.pid, self.data(), &mut bytes)?;
        Ok(bytes)
    }

    /// Writes those bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the task is gone.
    pub fn write_data(&self, bytes: &[u8]) -> Result<(), Error> {
        assert!(
            bytes.len() <= DATA_LEN,
            "the scratch data has {DATA_LEN} bytes"
        );
        self.scratch.write(0, bytes)
    }

    /// The address of a leave slot.
    pub fn slot(&self, slot: LeaveSlot) -> RemoteAddr {
        let frame = match slot {
            LeaveSlot::Home => HOME_AT,
            LeaveSlot::Unmap => UNMAP_AT,
        };
        self.at(frame + SigFrame::entry(self.gadgets.way))
    }

    /// Sets the call that the thread makes on its way home through
    /// [`LeaveSlot::Unmap`].
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the task is gone.
    pub fn set_detour(&mut self, nr: u32, args: [u64; 6]) -> Result<(), Error> {
        let regs = self.calling(nr, args, LeaveSlot::Home);
        let frame = SigFrame::new(self.gadgets.way, &regs, u64::MAX, None);
        self.scratch.write(UNMAP_AT, frame.as_bytes())?;
        self.detour = Some((nr, args));
        Ok(())
    }

    /// From now on the thread leaves through `slot`, should we die.
    pub fn leave_through(&mut self, slot: LeaveSlot) {
        self.leave = slot;
    }

    /// Makes system call `nr` in the thread; gives its raw result. The thread
    /// is then stopped at the exit of the call.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] with `call`'s name when the call fails in the target;
    /// [`Error::Seccomp`] where the thread might not survive it if we died;
    /// otherwise as [`Injection::prepare`].
    pub fn call(&mut self, call: &'static str, nr: u32, args: [u64; 6]) -> Result<u64, Error> {
        self.begin_call(call, nr, args)?;
        self.pass_entry()?;
        self.end_call(call)
    }

    /// Sends the thread into a call without waiting for it, so that several
    /// threads can make a call side by side. [`Injection::pass_entry`] and
    /// [`Injection::end_call`] must follow.
    ///
    /// # Errors
    ///
    /// As [`Injection::call`].
    pub fn begin_call(&mut self, call: &'static str, nr: u32, args: [u64; 6]) -> Result<(), Error> {
        self.check_calls(&[(call, nr, u32::try_from(args[0]).ok())])?;
        let regs = self.calling(nr, args, self.leave);
        self.enter(&regs)?;
        self.resume_to_syscall_stop(0)
    }

    /// Asks the thread's seccomp filters whether it would survive these calls
    /// if we died: each is a name, a number and the first argument where that
    /// is known.
    ///
    /// # Errors
    ///
    /// [`Error::Seccomp`] with the first that it might not survive.
    pub fn check_calls(&self, calls: &[Call]) -> Result<(), Error> {
        let Some(filters) = &self.filters else {
            return Ok(());
        };
        calls.iter().try_for_each(|&call| filters.check(call))
    }

    /// Sends the thread to code of ours at `rip`, which must leave through a
    /// slot by itself; it does not run yet.
    ///
    /// # Errors
    ///
    /// [`Error::Sys`] when the thread is gone.
    pub fn enter_code(&mut self, rip: RemoteAddr, regs: Registers) -> Result<(), Error> {
        self.ran_code = true;
        let rsp = self.slot(self.leave).get();
        let base = Registers {
            rip: rip.get(),
            rsp,
            ..regs
        };
        self.enter(&Registers {
            eflags: EFLAGS,
            orig_rax: NO_SYSCALL,
            cs: self.landing.cs,
            ss: self.landing.ss,
            fs_base: self.landing.fs_base,
            gs_base: self.landing.gs_base,
            ds: self.landing.ds,
            es: self.landing.es,
            fs: self.landing.fs,
            gs: self.landing.gs,
            ..base
        })
    }

    /// Registers first: they lead home with the mask in the frame.
    fn enter(&mut self, regs: &Registers) -> Result<(), Error> {
        ptrace::set_registers(self.tid, regs)?;
        if !self.entered {
            self.entered = true;
            ptrace::set_signal_mask(self.tid, u64::MAX)?;
        }
        Ok(())
    }

    /// The registers that make a call from the gadget and then leave.
    fn calling(&self, nr: u32, args: [u64; 6], leave: LeaveSlot) -> Registers {
        let [rdi, rsi, rdx, r10, r8, r9] = args;
        Registers {
            rip: self.gadgets.syscall.get(),
            rsp: self.slot(leave).get(),
            rax: nr.into(),
            orig_rax: NO_SYSCALL,
            eflags: EFLAGS,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..self.landing
        }
    }

    fn at(&self, offset: usize) -> RemoteAddr {
        RemoteAddr::new(self.scratch.base().get() + offset as u64)
    }
}
