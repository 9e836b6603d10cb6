//! Vector registers that hold values for a long time without a store: what a dump must save
//! and a restore bring back.

#![allow(unsafe_code)]

use std::arch::asm;

/// Turns of the spinning loop while the registers are live, some milliseconds.
const TURNS: u64 = 20_000_000;
/// Rounding towards zero, exceptions masked: not the default.
const MXCSR: u32 = 0x7f80;

/// Load patterns into every vector register the CPU has, spin, and compare.
///
/// Returns whether all of them, and MXCSR, still held what was loaded.
pub fn survives(seed: u64) -> bool {
    survives_turns(seed, TURNS)
}

/// The same with so many turns of the loop.
pub fn survives_turns(seed: u64, turns: u64) -> bool {
    if is_x86_feature_detected!("avx512f") {
        let before = patterns::<{ 32 * 8 }>(seed);
        // SAFETY: the CPU has AVX-512.
        let (after, masks, mxcsr) = unsafe { spin_zmm(&before, seed, turns) };
        before == after && masks == [seed & 0xffff, !seed & 0xffff] && mxcsr & 0xffc0 == MXCSR
    } else if is_x86_feature_detected!("avx") {
        let before = patterns::<{ 16 * 4 }>(seed);
        // SAFETY: the CPU has AVX.
        let (after, mxcsr) = unsafe { spin_ymm(&before, turns) };
        before == after && mxcsr & 0xffc0 == MXCSR
    } else {
        true
    }
}

fn patterns<const N: usize>(seed: u64) -> [u64; N] {
    let mut words = [0; N];
    super::pattern::fill(&mut words, seed | 1);
    words
}

/// All 32 zmm registers, two mask registers and MXCSR.
///
/// # Safety
///
/// The CPU must have AVX-512F.
#[target_feature(enable = "avx512f")]
unsafe fn spin_zmm(before: &[u64; 256], masks: u64, turns: u64) -> ([u64; 256], [u64; 2], u32) {
    let mut after = [0; 256];
    let (mut first, mut second) = (masks & 0xffff, !masks & 0xffff);
    let (mxcsr, mut saved, mut seen) = (MXCSR, 0_u32, 0_u32);
    // SAFETY: reads `before`, writes `after`, `saved` and `seen`; every register that is
    // changed is declared, and MXCSR is put back.
    unsafe {
        asm!(
            "stmxcsr [{saved}]", "ldmxcsr [{mxcsr}]",
            "kmovw k1, {first:e}", "kmovw k2, {second:e}",
            ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "vmovdqu64 zmm\\i, [{before} + 64 * \\i]",
            ".endr",
            "2:", "dec {turns}", "jnz 2b",
            ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "vmovdqu64 [{after} + 64 * \\i], zmm\\i",
            ".endr",
            "kmovw {first:e}, k1", "kmovw {second:e}, k2",
            "stmxcsr [{seen}]", "ldmxcsr [{saved}]", "vzeroupper",
            before = in(reg) before.as_ptr(), after = in(reg) after.as_mut_ptr(),
            mxcsr = in(reg) &mxcsr, saved = in(reg) &mut saved, seen = in(reg) &mut seen,
            first = inout(reg) first, second = inout(reg) second,
            turns = inout(reg) turns => _,
            out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _,
            out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
            out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _,
            out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
            out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _,
            out("zmm30") _, out("zmm31") _, out("k1") _, out("k2") _,
            options(nostack),
        );
    }
    (after, [first, second], seen)
}

/// All 16 ymm registers and MXCSR.
///
/// # Safety
///
/// The CPU must have AVX.
#[target_feature(enable = "avx")]
unsafe fn spin_ymm(before: &[u64; 64], turns: u64) -> ([u64; 64], u32) {
    let mut after = [0; 64];
    let (mxcsr, mut saved, mut seen) = (MXCSR, 0_u32, 0_u32);
    // SAFETY: as in `spin_zmm`.
    unsafe {
        asm!(
            "stmxcsr [{saved}]", "ldmxcsr [{mxcsr}]",
            ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "vmovdqu ymm\\i, [{before} + 32 * \\i]",
            ".endr",
            "2:", "dec {turns}", "jnz 2b",
            ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "vmovdqu [{after} + 32 * \\i], ymm\\i",
            ".endr",
            "stmxcsr [{seen}]", "ldmxcsr [{saved}]", "vzeroupper",
            before = in(reg) before.as_ptr(), after = in(reg) after.as_mut_ptr(),
            mxcsr = in(reg) &mxcsr, saved = in(reg) &mut saved, seen = in(reg) &mut seen,
            turns = inout(reg) turns => _,
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
            out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nostack),
        );
    }
    (after, seen)
}
