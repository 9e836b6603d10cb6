//! The layout of the extended state, as the processor tells it.

use core::arch::x86_64::__cpuid_count;

/// CPUID leaf of the extended state's components.
const LEAF: u32 = 0xd;
/// The component of AMX tile data (XTILEDATA).
const TILE_DATA: u32 = 18;

/// Where AMX tile data begins in a standard-format XSAVE area, in bytes;
/// `None` on processors without it.
pub fn tile_data_offset() -> Option<usize> {
    component_offset(TILE_DATA)
}

/// Where a component of the extended state begins in a standard-format XSAVE
/// area, in bytes (Intel SDM vol. 1, 13.5.2); `None` where the processor does
/// not have it. Components 0 and 1 (x87, SSE) are in the legacy area.
pub fn component_offset(component: u32) -> Option<usize> {
    let info = __cpuid_count(LEAF, component);
    (info.eax != 0 && info.ebx != 0).then_some(info.ebx as usize)
}
