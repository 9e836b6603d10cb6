//! What only a task itself knows: entering it, asking, and leaving. Where the kernel has written down all
//! of it, nobody is entered.

use commensal_abi::{PosixTimer, TaskInfo};
use commensal_cured::Cured;
use commensal_daemonized::{Daemonized, Descriptor, Questions};
use commensal_infected::Infected;
use commensal_seized::Seized;
use commensal_sys::{Errno, Tid};

use crate::Result;
use crate::files::FdFlags;
use crate::records::{self, Known, Threads};

/// What a task says of itself.
pub struct Inside {
    /// Of the task.
    pub task: Box<TaskInfo>,
    /// Of its POSIX timers.
    pub timers: Vec<PosixTimer>,
    /// Of its threads.
    threads: Vec<Known>,
    /// The open descriptors, where they were asked for and the task may say.
    pub open: Option<Vec<FdFlags>>,
}

impl Inside {
    /// What one thread says of itself.
    ///
    /// # Errors
    ///
    /// The first call that failed in the thread; ESRCH where it did not answer.
    pub fn of(&self, tid: Tid) -> Result<&Known> {
        let mut threads = self.threads.iter();
        let found = threads.find(|known| known.info.tid == tid.get());
        let known =
            found.ok_or_else(|| commensal_sys::Error::new("gettid", tid.get(), Errno::SRCH))?;
        match known.info.status {
            0 => Ok(known),
            error => Err(commensal_sys::Error::told("prctl", tid.get(), error).into()),
        }
    }
}

/// What the kernel has written down of a task: the same, if it is to be had from there.
///
/// `fd_size` as for [`ask`].
pub fn told(
    task: &Seized,
    record: &records::Task,
    fd_size: Option<u32>,
    threads: &Threads,
) -> Option<Inside> {
    let open = match fd_size {
        Some(_) => Some(record.open()?),
        None => None,
    };
    let tids = task.threads().iter().map(|thread| thread.tid());
    Some(Inside {
        task: record.info(),
        timers: Vec::new(),
        threads: threads.all(tids)?,
        open,
    })
}

/// Enters the task, asks it what only it knows, and leaves: about the POSIX
/// timers of `timer_ids`, and about descriptors below `fd_size`. Threads that are in `records`
/// are not asked.
///
/// # Errors
///
/// When the task cannot be entered, asked or left; it runs on then.
pub fn ask(
    task: Seized,
    timer_ids: &[i32],
    fd_size: Option<u32>,
    records: Option<&Threads>,
) -> Result<(Cured, Inside)> {
    let infected = Infected::infect(task)?;
    let mut daemonized = Daemonized::daemonize(infected)?;
    let answers = daemonized.survey(Questions {
        posix_timers: timer_ids,
        descriptors: fd_size.unwrap_or(0),
    })?;
    let mut infected = daemonized.stop()?;
    let own = answers.thread;
    let mut threads = vec![Known::asked(own)];
    let others: Vec<Tid> = infected.task().threads()[1..]
        .iter()
        .map(|thread| thread.tid())
        .collect();
    match records.and_then(|records| records.known(&own, &others)) {
        Some(known) => threads.extend(known),
        None => {
            let asked = infected.other_thread_infos()?;
            threads.extend(asked.into_iter().map(Known::asked));
        }
    }
    // A seccomp filter may keep the task from telling.
    let open = answers.descriptors.ok().filter(|_| fd_size.is_some());
    let inside = Inside {
        task: answers.task,
        timers: answers.posix_timers,
        threads,
        open: open.map(|open| open.into_iter().map(flags).collect()),
    };
    Ok((infected.cure()?, inside))
}

/// The same of a stopped task, which nothing of ours is left in if we die: it could not take it out
/// of itself.
///
/// # Errors
///
/// As [`ask`].
pub fn ask_stopped(mut task: Seized, timer_ids: &[i32]) -> Result<(Cured, Inside)> {
    let told = commensal_infected::ask_alone(&mut task, timer_ids)?;
    let inside = Inside {
        task: told.task,
        timers: told.posix_timers,
        threads: told.threads.into_iter().map(Known::asked).collect(),
        open: None,
    };
    Ok((Cured::untouched(task), inside))
}

fn flags(open: Descriptor) -> FdFlags {
    FdFlags {
        fd: open.number,
        cloexec: open.cloexec,
    }
}
