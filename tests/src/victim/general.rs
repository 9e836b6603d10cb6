//! General registers that hold values while a loop runs.

#![allow(unsafe_code)]

use std::arch::asm;

/// rax, rbx, rdx, rsi, rdi, rbp, r8 to r15.
const COUNT: usize = 14;

/// Load patterns into every general register but rcx and rsp, turn, and compare.
pub fn survive(seed: u64, turns: u64) -> bool {
    let mut words = [0u64; 2 * COUNT];
    super::pattern::fill(&mut words[..COUNT], seed | 1);
    // SAFETY: reads the first half of `words` and writes the second; rbx and rbp, which cannot
    // be named, are put back, and all else that changes is declared.
    unsafe {
        asm!(
            "push rbx", "push rbp", "push rdi",
            "mov rax, [rdi]", "mov rbx, [rdi + 8]", "mov rdx, [rdi + 16]", "mov rsi, [rdi + 24]",
            "mov rbp, [rdi + 40]", "mov r8, [rdi + 48]", "mov r9, [rdi + 56]",
            "mov r10, [rdi + 64]", "mov r11, [rdi + 72]", "mov r12, [rdi + 80]",
            "mov r13, [rdi + 88]", "mov r14, [rdi + 96]", "mov r15, [rdi + 104]",
            "mov rdi, [rdi + 32]",
            "2:", "dec rcx", "jnz 2b",
            "xchg rdi, [rsp]",
            "mov [rdi + 112], rax", "mov [rdi + 120], rbx", "mov [rdi + 128], rdx",
            "mov [rdi + 136], rsi", "mov [rdi + 152], rbp", "mov [rdi + 160], r8",
            "mov [rdi + 168], r9", "mov [rdi + 176], r10", "mov [rdi + 184], r11",
            "mov [rdi + 192], r12", "mov [rdi + 200], r13", "mov [rdi + 208], r14",
            "mov [rdi + 216], r15",
            "pop rax", "mov [rdi + 144], rax",
            "pop rbp", "pop rbx",
            inout("rdi") words.as_mut_ptr() => _,
            inout("rcx") turns.max(1) => _,
            out("rax") _, out("rdx") _, out("rsi") _, out("r8") _, out("r9") _, out("r10") _,
            out("r11") _, out("r12") _, out("r13") _, out("r14") _, out("r15") _,
        );
    }
    words[..COUNT] == words[COUNT..]
}

#[cfg(test)]
mod tests {
    #[test]
    fn they_survive_where_nobody_disturbs() {
        assert!(super::survive(5, 1000));
    }
}
