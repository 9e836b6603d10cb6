//! A thread's extended state, from the XSAVE area to the image's arrays.
//!
//! ptrace gives the area in its standard format (Intel SDM volume 1, 13.4):
//! the legacy region and the header have fixed places, and CPUID leaf 0xD says
//! where each further component lies.

use core::arch::x86_64::__cpuid_count;
use core::ops::Range;

use commensal_images::messages::{UserX86FpregsEntry, UserX86XsaveEntry};

/// The length of the legacy region, in bytes.
const LEGACY_LEN: usize = 512;

/// The length of the legacy region and the header, in bytes.
const HEADER_END: usize = LEGACY_LEN + 64;

/// The components that the image has a place for (SDM volume 1, 13.1).
const AVX: u32 = 2;
const BNDREGS: u32 = 3;
const BNDCSR: u32 = 4;
const OPMASK: u32 = 5;
const ZMM_HI256: u32 = 6;
const HI16_ZMM: u32 = 7;
const PKRU: u32 = 9;

/// Where this processor puts the components of the standard format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    components: [Option<Range<usize>>; 32],
}

impl Layout {
    /// The layout of the processor we run on.
    pub fn of_this_processor() -> Self {
        const LEAF: u32 = 0xd;
        let features = __cpuid_count(LEAF, 0).eax;
        let mut layout = Self::default();
        for component in AVX..32 {
            if features & (1 << component) != 0 {
                let place = __cpuid_count(LEAF, component);
                let start = place.ebx as usize;
                layout.components[component as usize] = Some(start..start + place.eax as usize);
            }
        }
        layout
    }

    /// How many bytes of an area the image is made of: up to the end of the last component that it
    /// has a place for.
    pub fn end(&self) -> usize {
        let known = [AVX, BNDREGS, BNDCSR, OPMASK, ZMM_HI256, HI16_ZMM, PKRU];
        let places = known
            .iter()
            .flat_map(|&known| &self.components[known as usize]);
        places.map(|place| place.end).fold(HEADER_END, usize::max)
    }

    /// The bytes of a component, where the processor has it and the area holds
    /// all of it.
    fn component<'a>(&self, area: &'a [u8], component: u32) -> Option<&'a [u8]> {
        area.get(self.components[component as usize].clone()?)
    }
}

/// Whether an area holds the legacy region and the header.
pub fn is_whole(area: &[u8]) -> bool {
    area.len() >= HEADER_END
}

/// Takes an XSAVE area of the standard format apart; `None` where it is too
/// short to hold the legacy region and the header.
pub fn split(area: &[u8], layout: &Layout) -> Option<UserX86FpregsEntry> {
    if !is_whole(area) {
        return None;
    }
    Some(UserX86FpregsEntry {
        cwd: u32::from(u16_at(area, 0)),
        swd: u32::from(u16_at(area, 2)),
        twd: u32::from(u16_at(area, 4)),
        fop: u32::from(u16_at(area, 6)),
        rip: u64_at(area, 8),
        rdp: u64_at(area, 16),
        mxcsr: u32_at(area, 24),
        mxcsr_mask: u32_at(area, 28),
        st_space: u32s(&area[32..160]),
        xmm_space: u32s(&area[160..416]),
        padding: Vec::new(),
        xsave: Some(components(area, layout)),
    })
}

fn components(area: &[u8], layout: &Layout) -> UserX86XsaveEntry {
    let part = |component| layout.component(area, component).unwrap_or_default();
    let pkru = u32s(part(PKRU));
    let mut xstate_bv = u64_at(area, LEGACY_LEN);
    // The kernel keeps PKRU apart from the rest: its value always counts.
    if pkru.first().is_some_and(|&pkru| pkru != 0) {
        xstate_bv |= 1 << PKRU;
    }
    UserX86XsaveEntry {
        xstate_bv,
        ymmh_space: u32s(part(AVX)),
        bndreg_state: u64s(part(BNDREGS)),
        bndcsr_state: u64s(part(BNDCSR)),
        opmask_reg: u64s(part(OPMASK)),
        zmm_upper: u64s(part(ZMM_HI256)),
        hi16_zmm: u64s(part(HI16_ZMM)),
        pkru,
        cet: None,
    }
}

fn u32s(bytes: &[u8]) -> Vec<u32> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

fn u64s(bytes: &[u8]) -> Vec<u64> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// The number at a place inside the legacy region or the header, whose length
/// was checked.
fn u16_at(area: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([area[at], area[at + 1]])
}

fn u32_at(area: &[u8], at: usize) -> u32 {
    u32s(&area[at..at + 4])[0]
}

fn u64_at(area: &[u8], at: usize) -> u64 {
    u64s(&area[at..at + 8])[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fixed layout of AVX on every processor, and PKRU at a made-up place.
    fn layout() -> Layout {
        let mut layout = Layout::default();
        layout.components[AVX as usize] = Some(576..832);
        layout.components[PKRU as usize] = Some(832..840);
        layout
    }

    #[test]
    fn components_without_a_place_in_the_image_are_left_out_of_its_end() {
        const TILE_DATA: usize = 18;
        let mut layout = layout();
        assert_eq!(layout.end(), 840);
        layout.components[TILE_DATA] = Some(2816..11008);
        assert_eq!(layout.end(), 840);
        assert_eq!(Layout::default().end(), HEADER_END);
    }

    #[test]
    fn every_part_is_taken_from_its_place() {
        let mut area = vec![0u8; 840];
        area[0..2].copy_from_slice(&0x37fu16.to_le_bytes());
        area[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
        area[32] = 1; // st(0)
        area[412] = 2; // the last word of xmm15
        area[512] = 0b111;
        area[576 + 252] = 3; // the last word of the upper half of ymm15
        area[832] = 4;
        let state = split(&area, &layout()).unwrap();
        assert_eq!((state.cwd, state.mxcsr), (0x37f, 0x1f80));
        assert_eq!((state.st_space.len(), state.st_space[0]), (32, 1));
        assert_eq!((state.xmm_space.len(), state.xmm_space[63]), (64, 2));
        let xsave = state.xsave.unwrap();
        assert_eq!((xsave.ymmh_space.len(), xsave.ymmh_space[63]), (64, 3));
        assert_eq!(xsave.pkru, [4, 0]);
        assert_eq!(xsave.xstate_bv, 0b111 | 1 << PKRU);
        assert!(xsave.opmask_reg.is_empty());
    }

    #[test]
    fn an_area_that_ends_early_loses_only_what_it_lacks() {
        assert_eq!(split(&[0; HEADER_END - 1], &layout()), None);
        let state = split(&[0; 700], &layout()).unwrap();
        assert!(state.xsave.unwrap().ymmh_space.is_empty());
    }

    #[test]
    fn this_processor_puts_avx_where_all_do() {
        if std::arch::is_x86_feature_detected!("avx") {
            let layout = Layout::of_this_processor();
            assert_eq!(layout.components[AVX as usize], Some(576..832));
        }
    }
}
