//! How and where a thread is scheduled: sched_getscheduler(2), sched_getparam(2), sched_setaffinity(2).

use std::os::unix::thread::JoinHandleExt;
use std::thread::JoinHandle;

use linux_raw_sys::general::{
    __NR_ioprio_get, __NR_sched_getparam, __NR_sched_getscheduler, __NR_sched_setscheduler,
    SCHED_FIFO,
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use crate::{Errno, Error, Result, Tid, raw};

/// `IOPRIO_WHO_PROCESS` (linux/ioprio.h): one thread.
const IOPRIO_WHO_PROCESS: u64 = 1;

/// The policy (`SCHED_*`), with `SCHED_RESET_ON_FORK` or-ed in where it is set.
///
/// # Errors
///
/// ESRCH when the thread is gone.
pub fn policy(tid: Tid) -> Result<u32> {
    let args = [tid.get() as u64, 0, 0, 0, 0, 0];
    // SAFETY: sched_getscheduler(2) takes no address.
    let policy = unsafe { raw::syscall(__NR_sched_getscheduler, args) };
    policy
        .map(|policy| policy as u32)
        .map_err(|errno| Error::new("sched_getscheduler", tid.get(), errno))
}

/// The real-time priority of a thread, or the calling one; 0 under a policy that has none.
///
/// # Errors
///
/// ESRCH when the thread is gone.
pub fn priority(tid: Option<Tid>) -> Result<i32> {
    let id = tid.map_or(0, Tid::get);
    let mut priority = 0i32;
    let args = [id as u64, &raw mut priority as u64, 0, 0, 0, 0];
    // SAFETY: sched_getparam(2) writes one `struct sched_param`, which is one
    // int, to the address, exclusively ours.
    let done = unsafe { raw::syscall(__NR_sched_getparam, args) };
    done.map_err(|errno| Error::new("sched_getparam", id, errno))?;
    Ok(priority)
}

/// The processors that the calling thread may run on: first without the one that it is on, then all. `None` where that
/// is its only one, or the kernel does not tell.
pub fn processors() -> Option<(CpuSet, CpuSet)> {
    let allowed = sched_getaffinity(None).ok()?;
    let mut others = allowed;
    others.unset(sched_getcpu());
    (others.count() > 0).then_some((others, allowed))
}

/// Brings a thread that has just been started to another processor than the calling thread's, if it may run on one. It
/// is not bound to that: what else wants it may push it away again.
///
/// A virtual machine's kernel takes a processor that has been idle for a while for one that the hypervisor has given
/// away (`available_idle_cpu`, kernel/sched/syscalls.c), and leaves a new thread behind the one that started it.
pub fn bring_elsewhere(tid: Tid) {
    let tid = Some(tid.to_rustix());
    if let Some((others, allowed)) = processors()
        && sched_setaffinity(tid, &others).is_ok()
    {
        let _ = sched_setaffinity(tid, &allowed);
    }
}

/// Binds a thread of ours to processors, also where it has not run yet (pthread_setaffinity_np(3)). Of one that has ended
/// the C library knows no id: it binds the calling thread, or fails.
///
/// # Errors
///
/// EINVAL where it may run on none of them.
pub fn bind<T>(thread: &JoinHandle<T>, processors: &CpuSet) -> Result<(), Errno> {
    // SAFETY: `cpu_set_t` is an array of integers, for which zeros are a value: no processors.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    for processor in (0..CpuSet::MAX_CPU).filter(|index| processors.is_set(*index)) {
        // SAFETY: the macro sets a bit of `set`, which has as many as `CpuSet`.
        unsafe { libc::CPU_SET(processor, &mut set) };
    }
    // SAFETY: a thread whose handle is there has not been joined, so that it is valid; the set is read.
    let failed =
        unsafe { libc::pthread_setaffinity_np(thread.as_pthread_t(), size_of_val(&set), &set) };
    match failed {
        0 => Ok(()),
        errno => Err(Errno::from_raw_os_error(errno)),
    }
}

/// Gives a thread, or the calling one, a policy (`SCHED_*`) and a real-time `priority`, which is 0 under
/// a policy that has none (sched_setscheduler(2)).
///
/// # Errors
///
/// EPERM without the right to it; ESRCH when the thread is gone.
pub fn set_policy(tid: Option<Tid>, policy: u32, priority: i32) -> Result<()> {
    let id = tid.map_or(0, Tid::get);
    let param = &raw const priority as u64;
    let args = [id as u64, u64::from(policy), param, 0, 0, 0];
    // SAFETY: the kernel reads one int, `struct sched_param`.
    let done = unsafe { raw::syscall(__NR_sched_setscheduler, args) };
    done.map(drop)
        .map_err(|errno| Error::new("sched_setscheduler", id, errno))
}

/// The same with `SCHED_FIFO`.
///
/// # Errors
///
/// As [`set_policy`].
pub fn set_fifo(tid: Option<Tid>, priority: i32) -> Result<()> {
    set_policy(tid, SCHED_FIFO, priority)
}

/// The I/O priority (ioprio_get(2)): class in the top three of 16 bits; 0
/// where none was set.
///
/// # Errors
///
/// ESRCH when the thread is gone.
pub fn io_priority(tid: Tid) -> Result<u32> {
    let args = [IOPRIO_WHO_PROCESS, tid.get() as u64, 0, 0, 0, 0];
    // SAFETY: ioprio_get(2) takes no address.
    let priority = unsafe { raw::syscall(__NR_ioprio_get, args) };
    priority
        .map(|priority| priority as u32)
        .map_err(|errno| Error::new("ioprio_get", tid.get(), errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_where_it_was_bound_to_before_it_ran() {
        let first = |allowed: &CpuSet| (0..CpuSet::MAX_CPU).find(|index| allowed.is_set(*index));
        let mut one = CpuSet::new();
        one.set(first(&sched_getaffinity(None).unwrap()).unwrap());
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            told.recv().unwrap();
            sched_getaffinity(None).unwrap()
        });
        bind(&thread, &one).unwrap();
        assert_eq!(bind(&thread, &CpuSet::new()), Err(Errno::INVAL));
        tell.send(()).unwrap();
        assert_eq!(thread.join().unwrap(), one);
    }
}
