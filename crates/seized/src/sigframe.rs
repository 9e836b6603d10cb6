//! `struct rt_sigframe` of x86-64: registers that rt_sigreturn(2) puts back.
//!
//! A thread whose stack pointer is at such a frame, and which returns, goes to
//! the restorer that the frame's first word names; the restorer calls
//! rt_sigreturn(2), and the thread is where the frame says, with that signal
//! mask and that extended state. It needs nobody's help for that.

use commensal_sys::{Registers, RemoteAddr};
use zerocopy::{Immutable, IntoBytes};

use crate::gadget::Way;

/// Kernel's layout (arch/x86/include/asm/sigframe.h, asm/ucontext.h,
/// asm/sigcontext.h), without the siginfo, which rt_sigreturn does not read.
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct SigFrame {
    /// In front of the kernel's: what [`Way::Pop`] needs.
    pop: u64,
    number: u64,
    pretcode: u64,
    uc_flags: u64,
    uc_link: u64,
    ss_sp: u64,
    ss_flags: u64,
    ss_size: u64,
    r8: u64,
    r9: u64,
    r10: u64,
    r11: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rbx: u64,
    rdx: u64,
    rax: u64,
    rcx: u64,
    rsp: u64,
    rip: u64,
    eflags: u64,
    cs: u16,
    gs: u16,
    fs: u16,
    ss: u16,
    err: u64,
    trapno: u64,
    oldmask: u64,
    cr2: u64,
    fpstate: u64,
    reserved: [u64; 8],
    sigmask: u64,
}

/// The length of a frame in bytes.
pub(crate) const FRAME_LEN: usize = size_of::<SigFrame>();
const _: () = assert!(FRAME_LEN == 16 + 8 + 304);

const RT_SIGRETURN: u64 = 15;

/// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS` (asm/ucontext.h).
const UC_FLAGS: u64 = 7;

/// A mode that sigaltstack(2) does not have: rt_sigreturn then leaves the
/// alternate stack as it is (`restore_altstack`, kernel/signal.c).
const KEEP_ALTSTACK: u64 = 0x7f;

impl SigFrame {
    /// Where in a frame the stack pointer must be for a return to go this way,
    /// in bytes: rt_sigreturn(2) wants it right behind the address of what
    /// called it.
    pub(crate) const fn entry(way: Way) -> usize {
        match way {
            Way::Restorer(_) => core::mem::offset_of!(Self, pretcode),
            Way::Pop { .. } => core::mem::offset_of!(Self, pop),
        }
    }

    /// The frame that puts back `regs` and `mask`, and the extended state at
    /// `fpstate`; without one, the extended state is reset.
    pub(crate) fn new(way: Way, regs: &Registers, mask: u64, fpstate: Option<RemoteAddr>) -> Self {
        let (pop, pretcode) = match way {
            Way::Restorer(restorer) => (0, restorer.get()),
            Way::Pop { pop, syscall } => (pop.get(), syscall.get()),
        };
        Self {
            pop,
            number: RT_SIGRETURN,
            pretcode,
            uc_flags: UC_FLAGS,
            ss_flags: KEEP_ALTSTACK,
            r8: regs.r8,
            r9: regs.r9,
            r10: regs.r10,
            r11: regs.r11,
            r12: regs.r12,
            r13: regs.r13,
            r14: regs.r14,
            r15: regs.r15,
            rdi: regs.rdi,
            rsi: regs.rsi,
            rbp: regs.rbp,
            rbx: regs.rbx,
            rdx: regs.rdx,
            rax: regs.rax,
            rcx: regs.rcx,
            rsp: regs.rsp,
            rip: regs.rip,
            eflags: regs.eflags,
            cs: regs.cs as u16,
            ss: regs.ss as u16,
            fpstate: fpstate.map_or(0, RemoteAddr::get),
            sigmask: mask,
            ..Self::default()
        }
    }
}

/// Offsets in the XSAVE area's legacy part: what the kernel leaves to software
/// (`struct _fpx_sw_bytes`, asm/sigcontext.h), and the XSAVE header behind it.
const SW_BYTES: usize = 464;
const XSAVE_HEADER: usize = 512;
const LEGACY_LEN: usize = 576;
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;

/// XTILEDATA: in the area only for tasks that asked for it (arch_prctl(2)).
const TILE_DATA: u64 = 1 << 18;

/// Turns the XSAVE area that ptrace(2) gives into what a signal frame holds.
/// `tile_offset` is where the tile data begins, if the processor has it: the
/// kernel takes no area longer than the task's own.
pub(crate) fn signal_fpstate(mut area: Vec<u8>, tile_offset: Option<usize>) -> Vec<u8> {
    if area.len() < LEGACY_LEN {
        return area;
    }
    let word = |at: usize| u64::from_le_bytes(area[at..at + 8].try_into().expect("eight bytes"));
    // ptrace puts the mask of features in the first of the software bytes.
    let (mut features, in_use) = (word(SW_BYTES), word(XSAVE_HEADER));
    if let Some(offset) = tile_offset.filter(|_| in_use & TILE_DATA == 0) {
        area.truncate(offset.max(LEGACY_LEN));
        features &= !TILE_DATA;
    }
    let len = area.len() as u32;
    let mut software = [0u8; 48];
    software[0..4].copy_from_slice(&FP_XSTATE_MAGIC1.to_le_bytes());
    software[4..8].copy_from_slice(&(len + 4).to_le_bytes());
    software[8..16].copy_from_slice(&features.to_le_bytes());
    software[16..20].copy_from_slice(&len.to_le_bytes());
    area[SW_BYTES..SW_BYTES + 48].copy_from_slice(&software);
    area.extend(FP_XSTATE_MAGIC2.to_le_bytes());
    area
}
