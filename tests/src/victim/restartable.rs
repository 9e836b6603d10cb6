//! A restartable sequence (rseq(2)) that sees whether it was continued half-done.

#![allow(unsafe_code)]

use std::arch::asm;

unsafe extern "C" {
    /// Where glibc's `struct rseq` is, from the thread pointer (2.35 and later).
    static __rseq_offset: isize;
    /// 0 where the kernel has no rseq.
    static __rseq_size: u32;
}

/// How a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Undisturbed.
    Whole,
    /// Disturbed, and sent to its abort handler.
    Aborted,
    /// Disturbed, and continued all the same.
    HalfDone,
}

/// Go through one sequence of so many turns of a loop.
///
/// Whoever disturbs it, the kernel takes the sequence's descriptor out of `struct rseq` when
/// the thread runs other code meanwhile: at the end of a whole one it is still there.
pub fn go_through(turns: u64) -> End {
    // SAFETY: glibc sets both before main, and never again.
    let (offset, size) = unsafe { (__rseq_offset, __rseq_size) };
    if size == 0 {
        return End::Whole;
    }
    let (mut still, mut aborted): (u64, u64);
    // SAFETY: writes the field `rseq_cs`, at 8, of this thread's `struct rseq`, with the address
    // of a descriptor that lives as long as the program; it is taken out again at the end. The
    // abort handler has the signature that glibc registered in front (RSEQ_SIG).
    unsafe {
        asm!(
            ".pushsection __rseq_cs, \"aw\"",
            ".balign 32",
            "77: .long 0, 0",
            ".quad 71f, 73f - 71f, 74f",
            ".popsection",
            "lea {still}, [rip + 77b]",
            "xor {aborted:e}, {aborted:e}",
            "mov fs:[{offset} + 8], {still}",
            "71:",
            "72: dec {turns}",
            "jnz 72b",
            "mov {still}, fs:[{offset} + 8]",
            "73:",
            "jmp 75f",
            ".byte 0x0f, 0xb9, 0x3d",
            ".long 0x53053053",
            "74:",
            "mov {aborted:e}, 1",
            "75:",
            "mov qword ptr fs:[{offset} + 8], 0",
            offset = in(reg) offset,
            turns = inout(reg) turns.max(1) => _,
            still = out(reg) still,
            aborted = out(reg) aborted,
        );
    }
    match (aborted, still) {
        (1, _) => End::Aborted,
        (_, 0) => End::HalfDone,
        _ => End::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_one_is_whole_sooner_or_later() {
        assert!((0..1000).any(|_| go_through(10) == End::Whole));
    }

    #[test]
    fn a_long_one_is_aborted_sooner_or_later() {
        let ends: Vec<End> = (0..20).map(|_| go_through(100_000_000)).collect();
        assert!(ends.contains(&End::Aborted), "{ends:?}");
        assert!(!ends.contains(&End::HalfDone), "{ends:?}");
    }
}
