//! The general registers of a thread.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct user_regs_struct` of x86-64 (asm/ptrace.h, sys/user.h).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
#[allow(missing_docs)] // They are the processor's own names.
pub struct Registers {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// The number of the system call the thread is in; negative outside one.
    pub orig_rax: u64,
    pub rip: u64,
    pub cs: u64,
    pub eflags: u64,
    pub rsp: u64,
    pub ss: u64,
    pub fs_base: u64,
    pub gs_base: u64,
    pub ds: u64,
    pub es: u64,
    pub fs: u64,
    pub gs: u64,
}

/// The code segment of 64-bit user code (`__USER_CS`, asm/segment.h).
const USER_CS: u64 = 0x33;

/// `orig_rax` of a thread that is in no system call.
pub const NO_SYSCALL: u64 = u64::MAX;

impl Registers {
    /// Whether the thread runs 64-bit code.
    pub const fn is_64bit(&self) -> bool {
        self.cs == USER_CS
    }

    /// The system call the thread was stopped in.
    pub const fn syscall(&self) -> Option<u64> {
        // asm/syscall.h: the number is an int, -1 outside a call.
        if (self.orig_rax as i32) < 0 {
            None
        } else {
            Some(self.orig_rax)
        }
    }
}
