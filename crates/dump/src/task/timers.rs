//! Interval timers (setitimer(2)) and POSIX timers (timer_create(2)).

use commensal_abi::{Itimer, PosixTimer};
use commensal_images::messages::{ItimerEntry, PosixTimerEntry, TaskTimersEntry};
use commensal_sys::{Errno, Error, Pid};

use crate::Result;
use crate::proc::Timer;

/// The image of a task's timers: `listed` as /proc names them, `inside` what
/// the task itself says of each.
///
/// # Errors
///
/// EINVAL where the two do not tell of the same timers.
pub fn entry(
    pid: Pid,
    itimers: &[Itimer; 3],
    listed: &[Timer],
    inside: &[PosixTimer],
) -> Result<TaskTimersEntry> {
    let [real, virt, prof] = itimers.map(interval);
    let same = listed.len() == inside.len() && listed.iter().zip(inside).all(|(a, b)| a.id == b.id);
    if !same {
        return Err(Error::new("timer_gettime", pid.get(), Errno::INVAL).into());
    }
    let posix = listed.iter().zip(inside).map(|(a, b)| posix(pid, a, b));
    Ok(TaskTimersEntry {
        real,
        virt,
        prof,
        posix: posix.collect::<Result<_>>()?,
    })
}

fn interval(timer: Itimer) -> ItimerEntry {
    ItimerEntry {
        isec: timer.interval_sec as u64,
        iusec: timer.interval_usec as u64,
        vsec: timer.value_sec as u64,
        vusec: timer.value_usec as u64,
    }
}

fn posix(pid: Pid, listed: &Timer, inside: &PosixTimer) -> Result<PosixTimerEntry> {
    if inside.overrun < 0 {
        return Err(Error::told("timer_getoverrun", pid.get(), inside.overrun).into());
    }
    Ok(PosixTimerEntry {
        it_id: listed.id as u32,
        clock_id: listed.clock as u32,
        si_signo: listed.signal,
        it_sigev_notify: listed.notify,
        sival_ptr: listed.value,
        overrun: inside.overrun as u32,
        isec: inside.interval_sec as u64,
        insec: inside.interval_nsec as u64,
        vsec: inside.value_sec as u64,
        vnsec: inside.value_nsec as u64,
        notify_thread_id: listed.thread,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Timer {
        Timer {
            id: 3,
            signal: 40,
            value: 0x1234,
            notify: 4,
            thread: Some(9),
            clock: -6,
        }
    }

    fn pid() -> Pid {
        Pid::new(7).unwrap()
    }

    #[test]
    fn both_sides_make_one_timer() {
        let inside = PosixTimer {
            id: 3,
            overrun: 2,
            interval_sec: 1,
            interval_nsec: 5,
            value_sec: 0,
            value_nsec: 7,
        };
        let entry = entry(pid(), &[Itimer::default(); 3], &[listed()], &[inside]).unwrap();
        let timer = &entry.posix[0];
        assert_eq!((timer.it_id, timer.overrun, timer.vnsec), (3, 2, 7));
        assert_eq!(timer.clock_id as i32, -6);
        assert_eq!(timer.notify_thread_id, Some(9));
    }

    #[test]
    fn a_timer_that_only_one_side_knows_is_an_error() {
        let itimers = [Itimer::default(); 3];
        assert!(entry(pid(), &itimers, &[listed()], &[]).is_err());
        assert!(entry(pid(), &itimers, &[listed()], &[PosixTimer::default()]).is_err());
        let failed = PosixTimer {
            id: 3,
            overrun: -22,
            ..PosixTimer::default()
        };
        assert!(entry(pid(), &itimers, &[listed()], &[failed]).is_err());
    }
}
