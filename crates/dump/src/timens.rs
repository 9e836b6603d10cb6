//! The clocks of the tree (time_namespaces(7)): a restore keeps them going.

use commensal_images::messages::{TaskKobjIdsEntry, TimensEntry, Timespec};
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::Pid;
use rustix::time::{ClockId, clock_gettime};

use crate::tree::namespaces::{own_pid, tree_id};
use crate::{Error, Result, proc};

const NANOS: i128 = 1_000_000_000;

/// Writes what the monotonic clocks say to the tree, whose namespaces are those of `root`, with
/// these ids.
///
/// # Errors
///
/// Where the offsets of its clocks cannot be read, or the image not be written.
pub fn write<S: ImageSink>(set: &ImageSet<S>, root: Pid, ids: &TaskKobjIdsEntry) -> Result<()> {
    let (image, entry) = match ids.time_ns_id == Some(tree_id("time")) {
        false => (
            Image::Timens(0),
            clocks(Offsets::default(), Offsets::default()),
        ),
        true => (
            Image::Timens(tree_id("time")),
            clocks(Offsets::of(own_pid())?, Offsets::of(root)?),
        ),
    };
    Ok(set.one(image, &entry)?)
}

/// What a time namespace adds to the clocks, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offsets {
    monotonic: i128,
    boottime: i128,
}

impl Offsets {
    /// Those of a task, by `/proc/PID/timens_offsets`.
    fn of(pid: Pid) -> Result<Self> {
        let text = proc::read(pid, "timens_offsets")?;
        let text = String::from_utf8_lossy(&text);
        Self::parse(&text).ok_or_else(|| Error::Parse {
            path: proc::path(pid, "timens_offsets"),
            line: text.into_owned(),
        })
    }

    /// A clock's name or number, seconds and nanoseconds on a line each.
    fn parse(text: &str) -> Option<Self> {
        let mut offsets = Self::default();
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            let clock = fields.next()?;
            let seconds: i64 = fields.next()?.parse().ok()?;
            let nanos: i64 = fields.next()?.parse().ok()?;
            let offset = i128::from(seconds) * NANOS + i128::from(nanos);
            match clock {
                "monotonic" | "1" => offsets.monotonic = offset,
                "boottime" | "7" => offsets.boottime = offset,
                _ => return None,
            }
        }
        Some(offsets)
    }
}

/// The clocks now, of a task with offsets `theirs`, seen by us with `ours`.
fn clocks(ours: Offsets, theirs: Offsets) -> TimensEntry {
    TimensEntry {
        monotonic: now(ClockId::Monotonic, theirs.monotonic - ours.monotonic),
        boottime: now(ClockId::Boottime, theirs.boottime - ours.boottime),
    }
}

fn now(clock: ClockId, ahead: i128) -> Timespec {
    let time = clock_gettime(clock);
    let nanos = i128::from(time.tv_sec) * NANOS + i128::from(time.tv_nsec) + ahead;
    Timespec {
        tv_sec: nanos.div_euclid(NANOS) as u64,
        tv_nsec: nanos.rem_euclid(NANOS) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_two_clocks_and_a_sign() {
        let offsets = Offsets::parse("monotonic   -2  5\nboottime  864000 0\n").unwrap();
        assert_eq!(offsets.monotonic, -2 * NANOS + 5);
        assert_eq!(offsets.boottime, 864_000 * NANOS);
        assert_eq!(Offsets::parse("monotonic x 0"), None);
        assert_eq!(Offsets::parse("tai 0 0"), None);
    }

    #[test]
    fn a_clock_behind_borrows_from_its_seconds() {
        let late = now(ClockId::Monotonic, 0);
        let early = now(ClockId::Monotonic, -1);
        assert!(early.tv_nsec < 1_000_000_000);
        assert!(early.tv_sec <= late.tv_sec + 1);
    }
}
