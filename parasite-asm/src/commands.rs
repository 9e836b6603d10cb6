//! What each command asks the kernel. The answers go straight to the exchange
//! area; each function gives 0 or the first negated errno.

use commensal_abi::questions::{self, Answer, Question};
use commensal_abi::{Area, DESCRIPTORS, MAX_POSIX_TIMERS, PosixTimer, Statuses};

use crate::syscall::syscall;

const FCNTL: u64 = 72;

const F_GETFD: u64 = 1;
const FD_CLOEXEC: i64 = 1;
const EBADF: i64 = 9;

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
    // SAFETY: `area` is valid by the caller's promise.
    let info = unsafe { &raw mut (*area).task };
    // SAFETY: they are the questions of this reply.
    unsafe { ask(questions::task(), info.cast()) }
}

/// Fills in what only the calling thread can say of itself.
///
/// # Safety
///
/// `area` must be valid for writing, and stay so.
pub unsafe fn thread(area: *mut Area) -> i32 {
    // SAFETY: `area` is valid by the caller's promise.
    let info = unsafe { &raw mut (*area).thread };
    // SAFETY: they are the questions of this reply.
    let status = unsafe { ask(questions::thread(), info.cast()) };
    // SAFETY: `info` is valid by the caller's promise.
    unsafe { (*info).status = status };
    status
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
        let id = unsafe { (*timer).id };
        // SAFETY: they are the questions of this reply.
        status.note(unsafe { ask(questions::posix_timer(id), timer.cast()) }.into());
    }
    status.0
}

/// Asks all of `questions`, and puts their answers into the `reply`.
///
/// # Safety
///
/// They must be the questions of this reply, which must be valid for writing, and stay so.
unsafe fn ask(questions: impl Iterator<Item = Question>, reply: *mut u8) -> i32 {
    let mut status = Status(0);
    for question in questions {
        // SAFETY: the answer lies in the reply.
        let answer = unsafe { reply.add(question.at) };
        // SAFETY: such a call changes nothing but its answer.
        let result = unsafe { syscall(question.nr.into(), question.args(answer as u64)) };
        if !question.may_fail {
            status.note(result);
        }
        match question.answer {
            // SAFETY: it is a field of 32 bits.
            Answer::Int => unsafe { answer.cast::<i32>().write(result as i32) },
            // SAFETY: it is a field of 64 bits.
            Answer::Long => unsafe { answer.cast::<i64>().write(result) },
            Answer::Written { .. } => {}
        }
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
