//! The system call instruction.

use core::arch::asm;

/// Makes system call `nr`; the result is the kernel's, a negated errno on
/// failure.
///
/// # Safety
///
/// The call's own contract: every address it is given must point to memory
/// that may be read or written as the man page says.
#[inline(always)]
pub unsafe fn syscall(nr: u64, args: [u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: the x86-64 system call convention (syscall(2)): rcx and r11 are
    // clobbered, the rest is kept. Memory is the caller's part.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr as i64 => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}
