//! What the kernel is asked about a task and its threads: each question is one system call.
//!
//! The parasite asks them all in one go. Of a thread that it is not in, and of a task that it may not
//! be in, the dumper asks the same, one call at a time.

use core::mem::offset_of;

use crate::{
    CALLS, Itimer, NSIG, PosixTimer, RLIM_NLIMITS, Rlimit, Sigaction, Sigaltstack, TaskInfo,
    ThreadInfo,
};

const BRK: u32 = 12;
const RT_SIGACTION: u32 = 13;
const GETITIMER: u32 = 36;
const SIGALTSTACK: u32 = 131;
const PRCTL: u32 = 157;
const TIMER_GETTIME: u32 = 224;
const TIMER_GETOVERRUN: u32 = 225;
const PRLIMIT64: u32 = 302;
const MEMBARRIER: u32 = 324;

const PR_GET_PDEATHSIG: u64 = 2;
const PR_GET_DUMPABLE: u64 = 3;
const PR_GET_SECUREBITS: u64 = 27;
const PR_GET_CHILD_SUBREAPER: u64 = 37;
const PR_GET_TID_ADDRESS: u64 = 40;
const PR_GET_THP_DISABLE: u64 = 42;
const PR_GET_MDWE: u64 = 66;
const MEMBARRIER_CMD_GET_REGISTRATIONS: u64 = 512;

const SIGKILL: usize = 9;
const SIGSTOP: usize = 19;

/// One system call, and where its answer belongs in the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The call's number.
    pub nr: u32,
    /// Its arguments, with 0 for the address of the answer.
    args: [u64; 4],
    /// What the answer is.
    pub answer: Answer,
    /// Where it belongs in the reply, in bytes from its start.
    pub at: usize,
    /// Whether the negated errno of a call that fails is an answer, too.
    pub may_fail: bool,
}

/// What a question is answered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The call's result, of 32 bits.
    Int,
    /// The call's result, of 64 bits.
    Long,
    /// What the kernel writes.
    Written {
        /// Which argument is the address that it writes to.
        argument: usize,
        /// How much, in bytes.
        len: usize,
    },
}

impl Question {
    const fn written<T>(nr: u32, args: [u64; 4], argument: usize, at: usize) -> Self {
        let len = size_of::<T>();
        Self {
            nr,
            args,
            answer: Answer::Written { argument, len },
            at,
            may_fail: false,
        }
    }

    const fn result(nr: u32, args: [u64; 4], answer: Answer, at: usize) -> Self {
        Self {
            nr,
            args,
            answer,
            at,
            may_fail: false,
        }
    }

    const fn or_its_error(self) -> Self {
        Self {
            may_fail: true,
            ..self
        }
    }

    /// The arguments of the call, if its answer is to be written at the address `answer`.
    #[inline]
    pub fn args(&self, answer: u64) -> [u64; 6] {
        let [a, b, c, d] = self.args;
        let mut args = [a, b, c, d, 0, 0];
        if let Answer::Written { argument, .. } = self.answer
            && let Some(address) = args.get_mut(argument)
        {
            *address = answer;
        }
        args
    }

    /// The size of the answer, in bytes.
    pub const fn size(&self) -> usize {
        match self.answer {
            Answer::Int => 4,
            Answer::Long => 8,
            Answer::Written { len, .. } => len,
        }
    }

    /// The name of the call, for messages.
    pub fn name(&self) -> &'static str {
        let option = |fixed: &Option<u32>| fixed.is_none_or(|fixed| self.args[0] == fixed.into());
        let is_this = |call: &&crate::Call| call.1 == self.nr && option(&call.2);
        CALLS.iter().find(is_this).map_or("a call", |call| call.0)
    }
}

/// What a [`TaskInfo`] is made of.
#[inline]
pub fn task() -> impl Iterator<Item = Question> {
    let signals = (1..=NSIG).filter(|signal| ![SIGKILL, SIGSTOP].contains(signal));
    signals
        .map(action)
        .chain((0..RLIM_NLIMITS).map(limit))
        .chain((0..3).map(itimer))
        .chain(ONCE.iter().copied())
}

const fn action(signal: usize) -> Question {
    let at = offset_of!(TaskInfo, sigactions) + (signal - 1) * size_of::<Sigaction>();
    // The kernel wants to know the size of a signal mask.
    Question::written::<Sigaction>(RT_SIGACTION, [signal as u64, 0, 0, 8], 2, at)
}

const fn limit(resource: usize) -> Question {
    let at = offset_of!(TaskInfo, rlimits) + resource * size_of::<Rlimit>();
    Question::written::<Rlimit>(PRLIMIT64, [0, resource as u64, 0, 0], 3, at)
}

const fn itimer(which: usize) -> Question {
    let at = offset_of!(TaskInfo, itimers) + which * size_of::<Itimer>();
    Question::written::<Itimer>(GETITIMER, [which as u64, 0, 0, 0], 1, at)
}

/// What there is one of in a task.
static ONCE: [Question; 6] = [
    Question::written::<u32>(
        PRCTL,
        [PR_GET_CHILD_SUBREAPER, 0, 0, 0],
        1,
        offset_of!(TaskInfo, child_subreaper),
    ),
    prctl(PR_GET_DUMPABLE, offset_of!(TaskInfo, dumpable)),
    prctl(PR_GET_THP_DISABLE, offset_of!(TaskInfo, thp_disable)),
    prctl(PR_GET_MDWE, offset_of!(TaskInfo, mdwe)).or_its_error(),
    Question::result(
        MEMBARRIER,
        [MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0, 0],
        Answer::Int,
        offset_of!(TaskInfo, membarrier),
    )
    .or_its_error(),
    // 0 is below every heap, so it changes nothing and gives the heap's end.
    Question::result(BRK, [0; 4], Answer::Long, offset_of!(TaskInfo, brk)),
];

const fn prctl(option: u64, at: usize) -> Question {
    Question::result(PRCTL, [option, 0, 0, 0], Answer::Int, at)
}

/// What a [`ThreadInfo`] is made of, asked in the thread itself.
#[inline]
pub fn thread() -> impl Iterator<Item = Question> {
    THREAD.iter().copied()
}

static THREAD: [Question; 4] = [
    Question::written::<Sigaltstack>(SIGALTSTACK, [0; 4], 1, offset_of!(ThreadInfo, altstack)),
    Question::written::<u64>(
        PRCTL,
        [PR_GET_TID_ADDRESS, 0, 0, 0],
        1,
        offset_of!(ThreadInfo, tid_address),
    ),
    Question::written::<i32>(
        PRCTL,
        [PR_GET_PDEATHSIG, 0, 0, 0],
        1,
        offset_of!(ThreadInfo, pdeath_sig),
    ),
    prctl(PR_GET_SECUREBITS, offset_of!(ThreadInfo, securebits)),
];

/// What a [`PosixTimer`] is made of, but for its `id`.
#[inline]
pub fn posix_timer(id: i32) -> impl Iterator<Item = Question> {
    let id = id as u64;
    // A struct itimerspec: the four fields from the period on.
    let setting = Question::written::<[i64; 4]>(
        TIMER_GETTIME,
        [id, 0, 0, 0],
        1,
        offset_of!(PosixTimer, interval_sec),
    );
    let overrun = Question::result(
        TIMER_GETOVERRUN,
        [id, 0, 0, 0],
        Answer::Int,
        offset_of!(PosixTimer, overrun),
    );
    [setting, overrun.or_its_error()].into_iter()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    /// Each answer lies in its reply, and on no other's.
    fn check(questions: impl Iterator<Item = Question>, reply: usize) -> usize {
        let mut ranges: Vec<_> = questions.map(|one| (one.at, one.at + one.size())).collect();
        ranges.sort_unstable();
        assert!(ranges.iter().all(|range| range.1 <= reply));
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        ranges.iter().map(|range| range.1 - range.0).sum()
    }

    #[test]
    fn every_answer_has_a_place_of_its_own() {
        // All but SIGKILL's and SIGSTOP's actions, and a reserved word.
        let task = size_of::<TaskInfo>();
        assert_eq!(check(super::task(), task), task - 2 * 32 - 4);
        // All but the id and the status.
        let thread = size_of::<ThreadInfo>();
        assert_eq!(check(super::thread(), thread), thread - 8);
        let timer = size_of::<PosixTimer>();
        assert_eq!(check(posix_timer(0), timer), timer - 4);
    }

    #[test]
    fn every_call_is_known_by_name() {
        let all = task().chain(thread()).chain(posix_timer(0));
        for question in all {
            assert_ne!(question.name(), "a call", "{question:?}");
        }
        let names = thread().map(|question| question.name());
        assert!(names.eq([
            "sigaltstack",
            "prctl(PR_GET_TID_ADDRESS)",
            "prctl(PR_GET_PDEATHSIG)",
            "prctl(PR_GET_SECUREBITS)"
        ]));
    }
}
