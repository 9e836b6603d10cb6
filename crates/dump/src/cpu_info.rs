//! `cpuinfo.img`: what the processor can do, for a restore to compare (CRIU's `--cpu-cap`).

use core::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};

use commensal_images::messages::{CpuinfoEntry, CpuinfoX86Entry, CpuinfoX86Vendor};

use crate::Refusal;
use crate::refusal::Place;
use crate::tree::namespaces::own_pid;

/// The version of the list of words, and how many they are.
const CAPABILITY_VERSION: u32 = 2;
const WORDS: usize = 19;

/// A bit of the list: word and bit, in CRIU's order, which is that of an old kernel.
type Bit = (usize, u32);

const XSAVE: Bit = (4, 26);
const CACHE_MONITORING: Bit = (16, 1);

/// Known without asking on 64-bit processors: CPUID itself, and long NOPs.
const ALWAYS: [Bit; 2] = [(3, 25), (3, 20)];
/// `rep movs` is fast.
const REP_GOOD: Bit = (3, 16);
/// Enhanced `rep movsb`.
const ERMS: Bit = (9, 9);
/// AMD's, which has another meaning in the first word.
const NOT_3DNOW: Bit = (0, 31);

/// What each extended state needs: x87, SSE, AVX, MPX (twice), AVX-512 (three times), processor
/// trace, protection keys, duty cycling.
const STATES: [Bit; 11] = [
    (0, 0),
    (0, 25),
    (4, 28),
    (9, 14),
    (9, 14),
    (9, 16),
    (9, 16),
    (9, 16),
    (9, 25),
    (11, 3),
    (14, 13),
];

/// The states that CRIU compares. It leaves out SSE, which every 64-bit processor has, and one of
/// MPX's; an image that listed them would be refused by its restore.
const COMPARED_STATES: u64 = 0b10_1111_0101;

/// Describes the processor.
///
/// # Errors
///
/// Refused where the processor is of a maker that CRIU does not know.
pub fn cpu_info() -> Result<CpuinfoEntry, Refusal> {
    let first = __cpuid(0);
    let vendor = vendor(first).ok_or_else(|| Refusal {
        what: "a processor that is neither Intel's nor AMD's".into(),
        place: Place::Task { pid: own_pid() },
        reason: "CRIU compares only theirs".into(),
        remedy: "dump with --cpu-cap=none".into(),
    })?;
    let (family, model, stepping) = signature(__cpuid(1).eax);
    let words = words(first.eax, vendor, family);
    let has = |(word, bit): Bit| words[word] >> bit & 1 == 1;
    let mut entry = CpuinfoX86Entry {
        vendor_id: vendor as i32,
        cpu_family: family,
        model,
        stepping,
        capability_ver: CAPABILITY_VERSION,
        capability: words.to_vec(),
        model_id: model_name(),
        xfeatures_mask: Some(0),
        xsave_size: Some(0),
        xsave_size_max: Some(0),
    };
    if has(XSAVE) {
        let area = __cpuid_count(0xd, 0);
        let enabled = u64::from(area.edx) << 32 | u64::from(area.eax);
        let described = (0..).zip(STATES).filter(|&(_, bit)| has(bit));
        let described = described.fold(0, |mask, (state, _)| mask | 1 << state);
        entry.xfeatures_mask = Some(enabled & described & COMPARED_STATES);
        entry.xsave_size = Some(area.ebx);
        entry.xsave_size_max = Some(area.ecx);
    }
    Ok(CpuinfoEntry {
        x86_entry: vec![entry],
    })
}

fn vendor(first: CpuidResult) -> Option<CpuinfoX86Vendor> {
    match &text([first.ebx, first.edx, first.ecx])[..] {
        b"GenuineIntel" => Some(CpuinfoX86Vendor::Intel),
        b"AuthenticAMD" | b"HygonGenuine" => Some(CpuinfoX86Vendor::Amd),
        _ => None,
    }
}

/// Family, model and stepping out of leaf 1.
fn signature(eax: u32) -> (u32, u32, u32) {
    let (mut family, mut model) = (eax >> 8 & 0xf, eax >> 4 & 0xf);
    if family == 0xf {
        family += eax >> 20 & 0xff;
    }
    if family >= 6 {
        model += (eax >> 16 & 0xf) << 4;
    }
    (family, model, eax & 0xf)
}

/// The list of capabilities.
fn words(last_leaf: u32, vendor: CpuinfoX86Vendor, family: u32) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    let basic = |leaf, index| match leaf <= last_leaf {
        true => __cpuid_count(leaf, index),
        false => NOTHING,
    };
    let last_extended = __cpuid(0x8000_0000).eax;
    let extended = |leaf| match leaf <= last_extended {
        true => __cpuid(leaf),
        false => NOTHING,
    };
    let (features, more) = (basic(1, 0), basic(7, 0));
    let amd = extended(0x8000_0001);
    words[0] = features.edx;
    words[1] = amd.edx;
    words[4] = features.ecx;
    words[6] = amd.ecx;
    words[9] = more.ebx;
    words[10] = basic(0xd, 1).eax;
    words[11] = more.ecx;
    words[13] = extended(0x8000_0008).ebx;
    words[14] = basic(6, 0).eax;
    words[15] = extended(0x8000_000a).edx;
    words[16] = basic(0xf, 0).edx;
    words[17] = extended(0x8000_0007).ebx;
    words[18] = more.edx;
    let mut set = |(word, bit): Bit, on: bool| match on {
        true => words[word] |= 1 << bit,
        false => words[word] &= !(1 << bit),
    };
    for bit in ALWAYS {
        set(bit, true);
    }
    if last_leaf < 0xd {
        set(XSAVE, false);
    }
    match (vendor, family) {
        (CpuinfoX86Vendor::Intel, 6) => set(REP_GOOD, true),
        (CpuinfoX86Vendor::Intel, 15) => set(ERMS, false),
        (CpuinfoX86Vendor::Amd, _) => {
            set(NOT_3DNOW, false);
            if family >= 0x10 {
                set(REP_GOOD, true);
            }
        }
        _ => {}
    }
    if words[CACHE_MONITORING.0] >> CACHE_MONITORING.1 & 1 == 1 {
        words[12] = basic(0xf, 1).edx;
    }
    words
}

const NOTHING: CpuidResult = CpuidResult {
    eax: 0,
    ebx: 0,
    ecx: 0,
    edx: 0,
};

fn model_name() -> Option<String> {
    let leaves = 0x8000_0002..=0x8000_0004u32;
    if __cpuid(0x8000_0000).eax < *leaves.end() {
        return None;
    }
    let bytes = leaves.flat_map(|leaf| {
        let CpuidResult { eax, ebx, ecx, edx } = __cpuid(leaf);
        text([eax, ebx, ecx, edx])
    });
    let bytes: Vec<u8> = bytes.take_while(|&byte| byte != 0).collect();
    let name = String::from_utf8_lossy(&bytes);
    let name = name.trim_start_matches(' ');
    (!name.is_empty()).then(|| name.to_owned())
}

/// The bytes of some registers, in order.
fn text<const N: usize>(registers: [u32; N]) -> Vec<u8> {
    registers.into_iter().flat_map(u32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_has_extended_parts() {
        // A Zen 4: family 0x19, model 0x11, stepping 1 (AMD's processor programming reference).
        assert_eq!(signature(0x00a1_0f11), (0x19, 0x11, 1));
    }

    #[test]
    fn the_kernel_sees_the_same_processor() {
        let kernel = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let value = |name: &str| {
            let line = kernel.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(": ")).unwrap().1
        };
        let entry = cpu_info().unwrap().x86_entry.remove(0);
        assert_eq!(value("cpu family"), entry.cpu_family.to_string());
        assert_eq!(value("model\t"), entry.model.to_string());
        assert_eq!(value("stepping"), entry.stepping.to_string());
        let has = |(word, bit): Bit| entry.capability[word] >> bit & 1 == 1;
        let flags: Vec<_> = value("flags").split(' ').collect();
        for (name, bit) in [("sse2", (0, 26)), ("avx2", (9, 5)), ("nx", (1, 20))] {
            assert_eq!(flags.contains(&name), has(bit), "{name}");
        }
    }
}
