//! timerfd_create(2): a timer as a file.

use commensal_images::messages::{FdTypes, TimerfdEntry};

use rustix::time::timerfd_gettime;

use super::fdinfo::FdInfo;
use super::kind::Kind;
use super::{FilesDump, OpenFile};
use crate::Result;

/// The clocks of timers that a restore makes: CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME.
const CLOCKS: [u32; 3] = [0, 1, 7];

/// Timer files.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Timerfd,
    dump,
};

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let info = settled(file, dump)?;
    let clockid: u32 = info.number("clockid")?;
    if !CLOCKS.contains(&clockid) {
        return Err(file.refuse(
            format!("a timerfd of clock {clockid}, which wakes the machine up"),
            "the restore knows CLOCK_REALTIME, CLOCK_MONOTONIC and CLOCK_BOOTTIME only",
            "close it before the dump, or use a clock without ALARM",
        ));
    }
    let (vsec, vnsec) = info.parsed("it_value", seconds)?;
    let (isec, insec) = info.parsed("it_interval", seconds)?;
    let entry = TimerfdEntry {
        id,
        flags: file.flags,
        fown: file.owner.clone(),
        clockid,
        ticks: info.number("ticks")?,
        settime_flags: info.parsed("settime flags", |text| u32::from_str_radix(text, 8).ok())?,
        vsec,
        vnsec,
        isec,
        insec,
    };
    dump.write(FdTypes::Timerfd, id, |to| to.tfd = Some(entry))
}

/// What fdinfo says, once it says it all. The kernel counts the ticks of a periodic timer only
/// when somebody asks (do_timerfd_gettime, fs/timerfd.c): until then one tick stands for all, and
/// the time that is left is 0, with which the restore would leave the timer off.
fn settled(file: &OpenFile, dump: &FilesDump<'_>) -> Result<FdInfo> {
    let info = file.fdinfo()?;
    let periodic = info.parsed("it_interval", seconds)? != (0, 0);
    if !dump.writes() || !periodic || info.number::<u64>("ticks")? == 0 {
        return Ok(info);
    }
    file.ask("timerfd_gettime", |fd| timerfd_gettime(fd))?;
    file.fdinfo()
}

/// `(99, 494250070)`: seconds and nanoseconds.
pub fn seconds(text: &str) -> Option<(u64, u64)> {
    let (seconds, nanoseconds) = text
        .strip_prefix('(')?
        .strip_suffix(')')?
        .split_once(", ")?;
    Some((seconds.parse().ok()?, nanoseconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_pairs() {
        assert_eq!(seconds("(99, 494250070)"), Some((99, 494_250_070)));
        assert_eq!(seconds("(99 494250070)"), None);
        assert_eq!(seconds("(-1, 0)"), None);
    }
}
