//! The parasite: what runs inside the target.
//!
//! - `bootstrap.s`: how a thread comes in, and how it leaves by itself;
//! - `daemon`: the loop that serves commands until the socket closes;
//! - `commands`: what each command asks the kernel;
//! - `syscall`: the system call instruction.
//!
//! There is no libc, no static that can be written and no relocation; the
//! linker script fails the build otherwise, and a panic that could be reached
//! fails it as an undefined symbol.
#![no_std]
#![no_main]

mod commands;
mod daemon;
mod syscall;

core::arch::global_asm!(
    include_str!("bootstrap.s"),
    EXCHANGE_LEN = const commensal_abi::EXCHANGE_LEN,
    daemon = sym daemon::serve,
    options(att_syntax),
);

unsafe extern "C" {
    /// Defined nowhere: a panic that the compiler cannot rule out is a link
    /// error.
    fn the_parasite_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never linked, see the declaration.
    unsafe { the_parasite_can_panic() }
}
