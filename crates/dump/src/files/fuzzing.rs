//! The texts about descriptors, for the fuzz targets.

use super::fdinfo::{FdInfo, field, hex_word};
use super::handle::Watched;
use super::{epoll, fanotify, locks, timerfd};
use crate::mnt::mountinfo;

/// Gives a text to every parser here.
pub fn text(text: &[u8]) {
    for line in text.split(|byte| *byte == b'\n') {
        let _ = mountinfo::parse(line);
    }
    let text = String::from_utf8_lossy(text);
    let info = FdInfo::of_text(&text);
    let _ = info.lines().find_map(super::fdinfo::flags);
    let _ = info.number::<u64>("pos");
    let _ = info.parsed("it_value", timerfd::seconds);
    for line in info.lines() {
        let _ = hex_word(line, "mask");
        let _ = fanotify::flags(line);
        let _ = Watched::parse(line);
        let _ = epoll::target(&info, line);
        let _ = locks::inode(line);
        if let Some(lock) = field(line, "lock").and_then(locks::parse) {
            let end = lock.start.checked_add(lock.len);
            assert!(lock.len >= 0 && end.is_some(), "{line}");
        }
    }
}
