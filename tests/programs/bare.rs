//! A program without a libc that echoes what it reads; what `victim-hard` does, in a static
//! binary whose only code is this.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

global_asm!(
    ".globl _start",
    "_start:",
    "and rsp, -16",
    "call {main}",
    // What a runtime that installs signal handlers has, and one that makes system calls.
    "restorer:",
    "mov eax, 15",
    "syscall",
    ".globl bare_syscall",
    "bare_syscall:",
    "syscall",
    "ret",
    main = sym main,
);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// read(2) or write(2) of one byte or more.
fn transfer(nr: u64, fd: u64, bytes: &mut [u8]) -> i64 {
    let result: i64;
    // SAFETY: the function above is one system call, which keeps to `bytes`.
    unsafe {
        asm!(
            "call bare_syscall",
            inlateout("rax") nr as i64 => result,
            in("rdi") fd, in("rsi") bytes.as_mut_ptr(), in("rdx") bytes.len(),
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

extern "C" fn main() -> ! {
    transfer(1, 1, &mut b"ready\n".clone());
    let mut byte = [0];
    while transfer(0, 0, &mut byte) == 1 {
        transfer(1, 1, &mut byte);
    }
    // SAFETY: exit_group(2) does not return.
    unsafe { asm!("syscall", in("rax") 231, in("rdi") 0, options(noreturn)) }
}
