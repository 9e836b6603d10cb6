//! Bytes that can be told from any others, and cheaply checked.

/// Words per page.
pub const WORDS: usize = 4096 / 8;

/// SplitMix64: every seed gives another stream.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Fill a page with the stream of `seed`; seed 0 leaves it all zero.
pub fn fill(page: &mut [u64], seed: u64) {
    let mut state = seed;
    page.fill_with(|| if seed == 0 { 0 } else { next(&mut state) });
}

/// Whether a page holds the stream of `seed`.
pub fn holds(page: &[u64], seed: u64) -> bool {
    let mut state = seed;
    page.iter()
        .all(|&word| word == if seed == 0 { 0 } else { next(&mut state) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_bit_shows() {
        let mut page = vec![0; WORDS];
        fill(&mut page, 7);
        assert!(holds(&page, 7));
        page[WORDS - 1] ^= 1;
        assert!(!holds(&page, 7));
        assert!(!holds(&page, 8));
    }
}
