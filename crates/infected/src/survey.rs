//! All that is small, asked in one go: each question of its own costs the
//! target two switches of context.

use commensal_abi::{Command, DESCRIPTORS, MAX_POSIX_TIMERS, PosixTimer, TaskInfo, ThreadInfo};

use crate::infect::Parasite;
use crate::reply::check_status;
use crate::{Descriptor, Error};

/// What to ask beside the state of the task and of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Questions<'a> {
    /// The ids of POSIX timers.
    pub posix_timers: &'a [i32],
    /// Below which number descriptors are looked for.
    pub descriptors: u32,
}

/// What a task says of itself.
#[derive(Debug)]
pub struct Answers {
    /// Of the task.
    pub task: Box<TaskInfo>,
    /// Of the thread that the parasite is in.
    pub thread: ThreadInfo,
    /// The state of the timers, in the order in which they were named.
    pub posix_timers: Vec<PosixTimer>,
    /// The open descriptors in order, without those that serve the parasite; or why the task
    /// could not say ([`Error::Command`]).
    pub descriptors: Result<Vec<Descriptor>, Error>,
}

impl Parasite {
    /// Asks everything at once.
    pub(crate) fn survey(&mut self, questions: Questions<'_>) -> Result<Answers, Error> {
        let limit = questions.descriptors;
        let (timers, more_timers) = questions
            .posix_timers
            .split_at_checked(MAX_POSIX_TIMERS)
            .unwrap_or((questions.posix_timers, &[]));
        let count = limit.min(DESCRIPTORS as u32);
        self.put_timers(timers)?;
        self.put_range(0, count)?;
        self.ask(Command::Survey)?;
        let statuses = self.take_statuses()?;
        let pid = self.task.pid();
        check_status(pid, Command::Task, statuses.task)?;
        check_status(pid, Command::Thread, statuses.thread)?;
        check_status(pid, Command::PosixTimers, statuses.posix_timers)?;
        let task = self.take_task()?;
        let thread = self.take_thread()?;
        let mut posix_timers = self.take_timers(timers)?;
        posix_timers.extend(self.posix_timers(more_timers)?);
        let descriptors = match check_status(pid, Command::Descriptors, statuses.descriptors) {
            Ok(()) => Ok(self.rest_of_descriptors(count, limit)?),
            Err(error @ Error::Command { .. }) => Err(error),
            Err(error) => return Err(error),
        };
        Ok(Answers {
            task,
            thread,
            posix_timers,
            descriptors,
        })
    }

    /// The descriptors of the first `count`, which were asked for, and of those up to `limit`.
    fn rest_of_descriptors(&mut self, count: u32, limit: u32) -> Result<Vec<Descriptor>, Error> {
        let mut open = self.take_open(0, count)?;
        open.extend(self.descriptors(count, limit)?);
        Ok(open)
    }
}
