//! The order of unix sockets in the images.

use std::collections::HashMap;

use commensal_images::messages::UnixSkEntry;

/// Puts every socket behind the one it is connected to, where that is among
/// them. Of a circle, as any two that are connected to each other are one, one
/// comes first.
pub fn peers_first(entries: Vec<UnixSkEntry>) -> Vec<UnixSkEntry> {
    let numbers = 0..entries.len();
    let by_inode: HashMap<u32, usize> = numbers.map(|n| (entries[n].ino, n)).collect();
    let mut left: Vec<Option<UnixSkEntry>> = entries.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(left.len());
    for start in 0..left.len() {
        // Take the chain of peers out, then put it down from its end.
        let mut chain = Vec::new();
        let mut next = Some(start);
        while let Some(entry) = next.and_then(|n| left[n].take()) {
            next = by_inode.get(&entry.peer).copied();
            chain.push(entry);
        }
        ordered.extend(chain.into_iter().rev());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(peers: &[u32]) -> Vec<UnixSkEntry> {
        let numbered = peers.iter().zip(1..);
        let entry = |(peer, ino): (&u32, u32)| UnixSkEntry {
            ino,
            peer: *peer,
            ..UnixSkEntry::default()
        };
        numbered.map(entry).collect()
    }

    fn inodes(entries: &[UnixSkEntry]) -> Vec<u32> {
        entries.iter().map(|entry| entry.ino).collect()
    }

    #[test]
    fn a_chain_is_turned_round() {
        let ordered = peers_first(entries(&[2, 3, 0]));
        assert_eq!(inodes(&ordered), [3, 2, 1]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_only_circles_are_cut(peers in prop::collection::vec(0u32..20, 0..19)) {
            let ordered = inodes(&peers_first(entries(&peers)));
            let mut sorted = ordered.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (1..=peers.len() as u32).collect::<Vec<_>>());
            for (at, ino) in ordered.iter().enumerate() {
                let peer = peers[*ino as usize - 1];
                let before = ordered[..at].contains(&peer);
                let in_circle = circle(&peers, *ino);
                let elsewhere = peer == 0 || peer as usize > peers.len();
                prop_assert!(before || in_circle || elsewhere, "{ino} before its peer {peer}");
            }
        }
    }

    /// Whether following the peers leads back.
    fn circle(peers: &[u32], start: u32) -> bool {
        let mut at = start;
        for _ in 0..=peers.len() {
            match peers.get((at as usize).wrapping_sub(1)) {
                Some(peer) if *peer == start => return true,
                Some(peer) => at = *peer,
                None => return false,
            }
        }
        false
    }
}
