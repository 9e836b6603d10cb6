//! The parasite's questions, one call at a time: for threads that it is not in, and tasks that it may
//! not be in.
//!
//! The calls are made from the target's own code, and write their answers to the scratch bytes in its
//! stack.

use commensal_abi::questions::{self, Answer, Question};
use commensal_abi::{CALLS, PosixTimer, TaskInfo, ThreadInfo};
use commensal_seized::{Injection, Seized, Tid};
use zerocopy::{FromBytes, IntoBytes};

use crate::{Error, thread};

/// The longest answer that the kernel writes, in bytes.
const LONGEST: usize = 32;

/// What a task says of itself.
#[derive(Debug)]
pub struct Told {
    /// Of the task.
    pub task: Box<TaskInfo>,
    /// Of its threads, in the order of the held task.
    pub threads: Vec<ThreadInfo>,
    /// The state of its timers, in the order in which they were named.
    pub posix_timers: Vec<PosixTimer>,
}

/// Asks a task what only it can say of itself, and of the POSIX timers with these ids, with nothing
/// mapped or opened in it. It takes some ninety calls, of which each costs two stops: so this is
/// for a task that is stopped, out of which a parasite could not go by itself if we died.
///
/// # Errors
///
/// As [`Infected::infect`](crate::Infected::infect); the task is still held, and as it was.
pub fn ask_alone(task: &mut Seized, posix_timers: &[i32]) -> Result<Told, Error> {
    let mut leader = Injection::prepare(task, task.threads()[0].tid(), None)?;
    leader.check_calls(&CALLS)?;
    let info = Box::new(ask_one(&mut leader, questions::task())?);
    let timer = |&id| {
        let timer: PosixTimer = ask_one(&mut leader, questions::posix_timer(id))?;
        Ok(PosixTimer { id, ..timer })
    };
    let posix_timers = posix_timers
        .iter()
        .map(timer)
        .collect::<Result<_, Error>>()?;
    leader.land()?;
    let tids: Vec<Tid> = task.threads().iter().map(|thread| thread.tid()).collect();
    Ok(Told {
        task: info,
        threads: thread::infos(task, &tids, None)?,
        posix_timers,
    })
}

/// Asks one thread all of `questions`.
fn ask_one<R: FromBytes + IntoBytes>(
    thread: &mut Injection,
    questions: impl Iterator<Item = Question>,
) -> Result<R, Error> {
    let replies = ask(std::slice::from_mut(thread), questions)?;
    Ok(replies.into_iter().next().expect("one thread was asked"))
}

/// Asks all of `threads`, each call of all side by side; gives their replies in their order.
pub(crate) fn ask<R: FromBytes + IntoBytes>(
    threads: &mut [Injection],
    questions: impl Iterator<Item = Question>,
) -> Result<Vec<R>, Error> {
    let mut replies: Vec<R> = threads.iter().map(|_| R::new_zeroed()).collect();
    for question in questions {
        for thread in &mut *threads {
            let args = question.args(thread.data().get());
            thread.begin_call(question.name(), question.nr, args)?;
        }
        for thread in &mut *threads {
            thread.pass_entry()?;
        }
        for (thread, reply) in threads.iter_mut().zip(&mut replies) {
            let place = &mut reply.as_mut_bytes()[question.at..][..question.size()];
            end(thread, &question, place)?;
        }
    }
    Ok(replies)
}

/// Waits for the end of a question's call, and takes its answer.
fn end(thread: &mut Injection, question: &Question, place: &mut [u8]) -> Result<(), Error> {
    let result = match thread.end_call(question.name()) {
        Err(commensal_seized::Error::Remote { errno, .. }) if question.may_fail => {
            -i64::from(errno.raw_os_error()) as u64
        }
        result => result?,
    };
    match question.answer {
        Answer::Int | Answer::Long => {
            place.copy_from_slice(&result.to_le_bytes()[..place.len()]);
        }
        Answer::Written { len, .. } => {
            place.copy_from_slice(&thread.read_data::<LONGEST>()?[..len]);
        }
    }
    Ok(())
}
