//! The system call instruction. rustix keeps its own private, and the calls
//! made here (ptrace(2), process_vm_readv(2), kcmp(2), …) are not in rustix.

use core::arch::asm;

use crate::Errno;

/// The highest errno the kernel returns (`MAX_ERRNO`, include/linux/err.h).
const MAX_ERRNO: i64 = 4095;

/// Makes system call `nr` and splits its result into value and errno.
///
/// # Safety
///
/// The call's own contract: every argument the kernel takes as an address of
/// this process must point to memory that may be read or written as the man
/// page says, for as long as the kernel uses it.
pub(crate) unsafe fn syscall(nr: u32, args: [u64; 6]) -> Result<u64, Errno> {
    let result: i64;
    // SAFETY: the x86-64 system call convention (syscall(2)): number in rax,
    // arguments in rdi, rsi, rdx, r10, r8, r9; rcx and r11 are clobbered, all
    // other registers and the red zone are kept. Memory is the caller's part.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") i64::from(nr) => result,
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
    split(result)
}

/// Splits a raw kernel result into value and errno.
fn split(result: i64) -> Result<u64, Errno> {
    if (-MAX_ERRNO..0).contains(&result) {
        Err(Errno::from_raw_os_error(-result as i32))
    } else {
        Ok(result as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_errno_range_is_an_error() {
        assert_eq!(split(-1), Err(Errno::PERM));
        assert_eq!(split(-4095).map_err(Errno::raw_os_error), Err(4095));
        assert_eq!(split(-4096), Ok(-4096i64 as u64));
        assert_eq!(split(0), Ok(0));
    }
}
