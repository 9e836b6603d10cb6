//! Whether two tasks share a kernel object: kcmp(2).

use core::cmp::Ordering;

use linux_raw_sys::general::__NR_kcmp;

use crate::{Errno, Error, Pid, Result, raw};

/// What two tasks can share (include/uapi/linux/kcmp.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The address space (`CLONE_VM`).
    Vm = 1,
    /// The file table (`CLONE_FILES`).
    Files = 2,
    /// Root, working directory and umask (`CLONE_FS`).
    Fs = 3,
    /// Signal actions (`CLONE_SIGHAND`).
    Sighand = 4,
    /// The I/O context (`CLONE_IO`).
    Io = 5,
    /// System V semaphore undo values (`CLONE_SYSVSEM`).
    Sysvsem = 6,
}

const KCMP_FILE: u64 = 0;
const KCMP_EPOLL_TFD: u64 = 7;

/// A descriptor of a task, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskFd {
    /// The task.
    pub pid: Pid,
    /// The number in its file table.
    pub fd: i32,
}

/// A file that an epoll instance watches, named as fdinfo names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpollTarget {
    /// The epoll instance.
    pub epoll: TaskFd,
    /// The number the target had when it was added.
    pub tfd: u32,
    /// Which of the targets with that number, in the order of fdinfo.
    pub index: u32,
}

/// `struct kcmp_epoll_slot` (include/uapi/linux/kcmp.h).
#[repr(C)]
struct EpollSlot {
    efd: u32,
    tfd: u32,
    toff: u32,
}

/// Orders two tasks by one of their resources; `Equal` means that they share
/// it. The order is arbitrary but total, and stands until the next boot.
///
/// # Errors
///
/// EPERM without the right to read both tasks, ESRCH when one is gone.
pub fn tasks(a: Pid, b: Pid, resource: Resource) -> Result<Ordering> {
    kcmp([a, b], resource as u64, [0, 0]).and_then(|n| ordering(a, n))
}

/// Orders two descriptors by their open file descriptions; `Equal` means that
/// they are duplicates of each other (dup(2), fork(2), SCM_RIGHTS).
///
/// # Errors
///
/// As [`tasks`], and EBADF where a descriptor is not open.
pub fn files(a: TaskFd, b: TaskFd) -> Result<Ordering> {
    kcmp([a.pid, b.pid], KCMP_FILE, [a.fd as u64, b.fd as u64]).and_then(|n| ordering(a.pid, n))
}

/// Orders a descriptor against what an epoll instance watches; `Equal` means
/// that the epoll instance watches this open file description.
///
/// # Errors
///
/// As [`files`], and ENOENT where the instance has no such target.
pub fn epoll_target(file: TaskFd, target: EpollTarget) -> Result<Ordering> {
    let slot = EpollSlot {
        efd: target.epoll.fd as u32,
        tfd: target.tfd,
        toff: target.index,
    };
    let idx = [file.fd as u64, &raw const slot as u64];
    kcmp([file.pid, target.epoll.pid], KCMP_EPOLL_TFD, idx).and_then(|n| ordering(file.pid, n))
}

fn kcmp(pids: [Pid; 2], kind: u64, idx: [u64; 2]) -> Result<u64> {
    let args = [
        pids[0].get() as u64,
        pids[1].get() as u64,
        kind,
        idx[0],
        idx[1],
        0,
    ];
    // SAFETY: kcmp(2) writes nothing of ours; with KCMP_EPOLL_TFD it reads a
    // `struct kcmp_epoll_slot` at `idx[1]`, which the caller keeps for the
    // call, and with every other kind both indexes are numbers.
    unsafe { raw::syscall(__NR_kcmp, args) }
        .map_err(|errno| Error::new("kcmp", pids[0].get(), errno))
}

/// The kernel's answer as an order; 3, "different, no order", is not given
/// for the kinds asked here.
fn ordering(pid: Pid, answer: u64) -> Result<Ordering> {
    match answer {
        0 => Ok(Ordering::Equal),
        1 => Ok(Ordering::Less),
        2 => Ok(Ordering::Greater),
        _ => Err(Error::new("kcmp", pid.get(), Errno::INVAL)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;

    fn own(file: &File) -> TaskFd {
        TaskFd {
            pid: Pid::new(std::process::id() as i32).unwrap(),
            fd: file.as_raw_fd(),
        }
    }

    #[test]
    fn duplicates_are_equal_and_separate_opens_are_not() {
        let first = File::open("/dev/null").unwrap();
        let duplicate = first.try_clone().unwrap();
        let second = File::open("/dev/null").unwrap();
        assert_eq!(files(own(&first), own(&duplicate)), Ok(Ordering::Equal));
        let order = files(own(&first), own(&second)).unwrap();
        assert_ne!(order, Ordering::Equal);
        assert_eq!(files(own(&second), own(&first)), Ok(order.reverse()));
    }

    #[test]
    fn a_child_shares_no_file_table() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let me = Pid::new(std::process::id() as i32).unwrap();
        let other = Pid::new(child.id() as i32).unwrap();
        assert_eq!(tasks(me, me, Resource::Files), Ok(Ordering::Equal));
        assert_ne!(tasks(me, other, Resource::Files), Ok(Ordering::Equal));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
