//! What each command asks the kernel. The answers go straight to the exchange
//! area; each function gives 0 or the first negated errno.

use commensal_abi::{
    Area, DESCRIPTORS, MAX_POSIX_TIMERS, NSIG, PosixTimer, RLIM_NLIMITS, Statuses,
};

use crate::syscall::syscall;

const BRK: u64 = 12;
const RT_SIGACTION: u64 = 13;
const GETITIMER: u64 = 36;
const FCNTL: u64 = 72;
const SIGALTSTACK: u64 = 131;
const PRCTL: u64 = 157;
const GETTID: u64 = 186;
const TIMER_GETTIME: u64 = 224;
const TIMER_GETOVERRUN: u64 = 225;
const PRLIMIT64: u64 = 302;
const MEMBARRIER: u64 = 324;

const PR_GET_PDEATHSIG: u64 = 2;
const PR_GET_DUMPABLE: u64 = 3;
const PR_GET_SECUREBITS: u64 = 27;
const PR_GET_CHILD_SUBREAPER: u64 = 37;
const PR_GET_TID_ADDRESS: u64 = 40;
const PR_GET_THP_DISABLE: u64 = 42;
const PR_GET_MDWE: u64 = 66;
const MEMBARRIER_CMD_GET_REGISTRATIONS: u64 = 512;

const F_GETFD: u64 = 1;
const FD_CLOEXEC: i64 = 1;
const EBADF: i64 = 9;

const SIGKILL: usize = 9;
const SIGSTOP: usize = 19;

/// The first failure of several calls.
struct Status(i32);

impl Status {
    fn note(&mut self, result: i64) -> i64 {
        if result < 0 && self.0 == 0 {
            self.0 = result as i32;
        }
        result
    }
}

/// Carries out every other command, and says how each went.
///
/// # Safety
///
/// `area` must be valid for reading and writing, and stay so.
pub unsafe fn survey(area: *mut Area, own: i32) -> i32 {
    let statuses = Statuses {
        // SAFETY: the caller's promise.
        task: unsafe { task(area) },
        // SAFETY: the caller's promise.
        thread: unsafe { thread(area) },
        // SAFETY: the caller's promise.
        posix_timers: unsafe { posix_timers(area) },
        // SAFETY: the caller's promise.
        descriptors: unsafe { descriptors(area, own) },
    };
    // SAFETY: `area` is valid by the caller's promise.
    unsafe { (*area).statuses = statuses };
    0
}

/// Fills in what only the task can say of itself.
///
/// # Safety
///
/// `area` must be valid for writing, and stay so.
pub unsafe fn task(area: *mut Area) -> i32 {
    let mut status = Status(0);
    // SAFETY: `area` is valid by the caller's promise.
    let info = unsafe { &raw mut (*area).task };
    for signal in 1..=NSIG {
        if signal != SIGKILL && signal != SIGSTOP {
            // SAFETY: `signal - 1` is below NSIG, the array's length.
            let action = unsafe {
                (&raw mut (*info).sigactions)
                    .cast::<[u8; 32]>()
                    .add(signal - 1)
            };
            // SAFETY: rt_sigaction(2) without a new action only writes the old
            // one, a kernel sigaction of 32 bytes.
            status
                .note(unsafe { syscall(RT_SIGACTION, [signal as u64, 0, action as u64, 8, 0, 0]) });
        }
    }
    for resource in 0..RLIM_NLIMITS {
        // SAFETY: `resource` is below the array's length.
        let limit = unsafe { (&raw mut (*info).rlimits).cast::<[u64; 2]>().add(resource) };
        // SAFETY: prlimit64(2) without a new limit only writes the old one.
        status.note(unsafe { syscall(PRLIMIT64, [0, resource as u64, 0, limit as u64, 0, 0]) });
    }
    for which in 0..3 {
        // SAFETY: there are three timers.
        let timer = unsafe { (&raw mut (*info).itimers).cast::<[u64; 4]>().add(which) };
        // SAFETY: getitimer(2) writes one struct itimerval.
        status.note(unsafe { syscall(GETITIMER, [which as u64, timer as u64, 0, 0, 0, 0]) });
    }
    // SAFETY: `info` is valid by the caller's promise.
    let subreaper = unsafe { &raw mut (*info).child_subreaper };
    status.note(prctl(PR_GET_CHILD_SUBREAPER, subreaper as u64));
    let dumpable = status.note(prctl(PR_GET_DUMPABLE, 0)) as u32;
    let thp_disable = status.note(prctl(PR_GET_THP_DISABLE, 0)) as u32;
    let mdwe = prctl(PR_GET_MDWE, 0) as i32;
    // SAFETY: this command takes no address.
    let membarrier = unsafe {
        syscall(
            MEMBARRIER,
            [MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0, 0, 0, 0],
        )
    } as i32;
    // SAFETY: brk(2) with 0 is below every heap, so it changes nothing and
    // gives the heap's end.
    let brk = status.note(unsafe { syscall(BRK, [0; 6]) }) as u64;
    // SAFETY: `info` is valid by the caller's promise.
    unsafe { (*info).brk = brk };
    // SAFETY: as above.
    unsafe { (*info).dumpable = dumpable };
    // SAFETY: as above.
    unsafe { (*info).thp_disable = thp_disable };
    // SAFETY: as above.
    unsafe { (*info).mdwe = mdwe };
    // SAFETY: as above.
    unsafe { (*info).membarrier = membarrier };
    status.0
}

/// Fills in what only the calling thread can say of itself.
///
/// # Safety
///
/// `area` must be valid for writing, and stay so.
pub unsafe fn thread(area: *mut Area) -> i32 {
    let mut status = Status(0);
    // SAFETY: `area` is valid by the caller's promise.
    let info = unsafe { &raw mut (*area).thread };
    // SAFETY: gettid(2) takes no address.
    let tid = unsafe { syscall(GETTID, [0; 6]) } as i32;
    // SAFETY: `info` is valid by the caller's promise.
    let altstack = unsafe { &raw mut (*info).altstack };
    // SAFETY: sigaltstack(2) without a new stack only writes the old one.
    status.note(unsafe { syscall(SIGALTSTACK, [0, altstack as u64, 0, 0, 0, 0]) });
    // SAFETY: as for `altstack`.
    let tid_address = unsafe { &raw mut (*info).tid_address };
    status.note(prctl(PR_GET_TID_ADDRESS, tid_address as u64));
    // SAFETY: as for `altstack`.
    let pdeath_sig = unsafe { &raw mut (*info).pdeath_sig };
    status.note(prctl(PR_GET_PDEATHSIG, pdeath_sig as u64));
    let securebits = status.note(prctl(PR_GET_SECUREBITS, 0)) as u32;
    // SAFETY: `info` is valid by the caller's promise.
    unsafe { (*info).tid = tid };
    // SAFETY: as above.
    unsafe { (*info).securebits = securebits };
    // SAFETY: as above.
    unsafe { (*info).status = status.0 };
    status.0
}

/// Completes the timers whose ids are in the area.
///
/// # Safety
///
/// `area` must be valid for reading and writing, and stay so.
pub unsafe fn posix_timers(area: *mut Area) -> i32 {
    let mut status = Status(0);
    // SAFETY: `area` is valid by the caller's promise.
    let timers = unsafe { &raw mut (*area).posix_timers };
    // SAFETY: `timers` is a part of it.
    let count = unsafe { (*timers).count } as usize;
    for i in 0..count.min(MAX_POSIX_TIMERS) {
        // SAFETY: `i` is below the array's length.
        let timer = unsafe { (&raw mut (*timers).timers).cast::<PosixTimer>().add(i) };
        // SAFETY: `timer` lies in the array.
        let id = unsafe { (*timer).id } as u64;
        // SAFETY: `timer` lies in the array.
        let setting = unsafe { &raw mut (*timer).interval_sec };
        // SAFETY: timer_gettime(2) writes one struct itimerspec: the four
        // fields from `interval_sec` on.
        status.note(unsafe { syscall(TIMER_GETTIME, [id, setting as u64, 0, 0, 0, 0]) });
        // SAFETY: timer_getoverrun(2) takes no address.
        let overrun = unsafe { syscall(TIMER_GETOVERRUN, [id, 0, 0, 0, 0, 0]) } as i32;
        // SAFETY: `timer` lies in the array.
        unsafe { (*timer).overrun = overrun };
    }
    status.0
}

/// Says which numbers are open and which of them are close-on-exec, in the
/// range that the area asks for and without `own`.
///
/// # Safety
///
/// `area` must be valid for reading and writing, and stay so.
pub unsafe fn descriptors(area: *mut Area, own: i32) -> i32 {
    let mut status = Status(0);
    // SAFETY: `area` is valid by the caller's promise.
    let table = unsafe { &raw mut (*area).descriptors };
    // SAFETY: `table` is a part of it.
    let (first, count) = unsafe { ((*table).first, (*table).count) };
    for n in 0..(count as usize).min(DESCRIPTORS) {
        let fd = u64::from(first) + n as u64;
        // SAFETY: fcntl(2) with F_GETFD takes no address.
        let flags = unsafe { syscall(FCNTL, [fd, F_GETFD, 0, 0, 0, 0]) };
        if flags == -EBADF || fd == own as u64 {
            continue;
        }
        if status.note(flags) < 0 {
            break;
        }
        let (word, bit) = (n / 64, 1u64 << (n % 64));
        // SAFETY: `n` is below DESCRIPTORS, the number of bits of the array.
        let open = unsafe { (&raw mut (*table).open).cast::<u64>().add(word) };
        // SAFETY: as above.
        let cloexec = unsafe { (&raw mut (*table).cloexec).cast::<u64>().add(word) };
        // SAFETY: both words lie in their arrays.
        unsafe { *open |= bit };
        if flags & FD_CLOEXEC != 0 {
            // SAFETY: as above.
            unsafe { *cloexec |= bit };
        }
    }
    status.0
}

/// prctl(2) with at most one argument, an address valid for writing where the
/// option takes one.
fn prctl(option: u64, argument: u64) -> i64 {
    // SAFETY: the options used here read nothing and write at most to
    // `argument`, which the callers take from a valid reply.
    unsafe { syscall(PRCTL, [option, argument, 0, 0, 0, 0]) }
}
