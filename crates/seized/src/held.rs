//! The threads of a task that are ours: stopping them, and letting them go.

use core::marker::PhantomData;
use core::time::Duration;
use std::fs;
use std::rc::Rc;
use std::time::Instant;

use crate::later;
use commensal_sys::caretaker::{Caretaker, Stops};
use commensal_sys::ptrace::{self, Options};
use commensal_sys::wait::{Backoff, Stop, try_wait};
use commensal_sys::{Errno, Pid, Tid};

use crate::caretaker;
use crate::restart::put_right;
use crate::status::{Seccomp, Status};
use crate::{Error, STOP_TIMEOUT};

/// How long a thread that should stop or end when it is let go may take. One
/// that takes longer sleeps uninterruptibly; it is let go when the calling
/// thread ends.
const LET_GO_TIMEOUT: Duration = Duration::from_secs(1);

/// The threads that are ours to let go.
#[derive(Debug)]
pub(crate) struct Held {
    pid: Pid,
    /// At rest, with nothing on its way to them.
    settled: Vec<Tid>,
    /// Seized, and not seen at rest yet.
    unsettled: Vec<Tid>,
    /// Where those are written down for who lives on when we die.
    stops: Stops,
    _caretaker: Rc<Caretaker>,
    /// ptrace belongs to one thread of ours.
    not_send: PhantomData<*const ()>,
}

/// A thread that has come to rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtRest {
    pub(crate) tid: Tid,
    /// The signal of the group-stop that it was in.
    pub(crate) stop_signal: Option<i32>,
}

impl Held {
    /// None yet.
    pub(crate) fn new(pid: Pid) -> Result<Self, Error> {
        let caretaker = caretaker()?;
        let stops = caretaker.stops()?.clone();
        Ok(Self {
            pid,
            settled: Vec::new(),
            unsettled: Vec::new(),
            stops,
            _caretaker: caretaker,
            not_send: PhantomData,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// The threads that were attached and are not seen at rest yet.
    pub(crate) fn unsettled(&self) -> &[Tid] {
        &self.unsettled
    }

    /// Seizes a thread and asks it to stop; one that has exited is none. Its `mode` is that of before,
    /// if it was looked at.
    pub(crate) fn attach(&mut self, tid: Tid, mode: Option<Seccomp>) -> Result<(), Error> {
        // Suspending its seccomp filters needs CAP_SYS_ADMIN.
        let suspended = Options {
            suspend_seccomp: true,
            ..Options::default()
        };
        let seized = match ptrace::seize(tid, suspended) {
            Err(error) if error.errno == Errno::PERM => ptrace::seize(tid, Options::default()),
            seized => seized,
        };
        match seized {
            Ok(()) => self.unsettled.push(tid),
            Err(error) if error.is_gone() => return Ok(()),
            Err(error) if error.errno == Errno::PERM => return self.why_not(tid),
            Err(error) => return Err(error.into()),
        }
        self.stops.begin(tid, mode != Some(Seccomp::Off));
        match ptrace::interrupt(tid) {
            Err(error) if !error.is_gone() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// PTRACE_SEIZE says EPERM for a thread that has exited, too: that is no
    /// error.
    fn why_not(&self, tid: Tid) -> Result<(), Error> {
        let pid = self.pid;
        match Status::read(pid, tid)? {
            None => Ok(()),
            Some(status) if status.has_ended() => Ok(()),
            Some(status) if status.tracer != 0 => Err(Error::Traced {
                pid,
                tracer: status.tracer,
            }),
            Some(_) => Err(Error::NotPermitted(pid)),
        }
    }

    /// Waits until every attached thread is at rest or gone. All are looked at
    /// in turn: a thread in execve(2) waits itself until we have taken note of
    /// the end of the others.
    pub(crate) fn settle(
        &mut self,
        deadline: Instant,
        mut at_rest: impl FnMut(AtRest) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut backoff = Backoff::start();
        while !self.unsettled.is_empty() {
            let mut progress = false;
            let mut index = 0;
            while let Some(&tid) = self.unsettled.get(index) {
                match step(tid)? {
                    Step::Pending => index += 1,
                    Step::Gone => {
                        self.unsettled.swap_remove(index);
                        self.is_over(tid);
                        progress = true;
                    }
                    Step::AtRest(stop_signal) => {
                        self.unsettled.swap_remove(index);
                        self.settled.push(tid);
                        progress = true;
                        at_rest(AtRest { tid, stop_signal })?;
                        self.is_over(tid);
                    }
                }
            }
            if progress {
                backoff = Backoff::start();
            } else if Instant::now() >= deadline {
                return Err(stuck(self.pid, self.unsettled[0]));
            } else {
                backoff.pause();
            }
        }
        Ok(())
    }

    /// The thread's registers are right, or it is gone.
    fn is_over(&self, tid: Tid) {
        self.stops.done(tid);
    }

    /// Lets all threads go as they were found; gives the first error. One that
    /// is gone is no error.
    pub(crate) fn release(&mut self) -> Result<(), Error> {
        let mut first_error = Ok(());
        for tid in core::mem::take(&mut self.settled) {
            match ptrace::detach(tid, 0) {
                Ok(()) => self.is_over(tid),
                // It is dying, or runs.
                Err(error) if error.is_gone() => self.unsettled.push(tid),
                Err(error) => first_error = first_error.and(Err(error)),
            }
        }
        first_error.and(self.release_unsettled())?;
        Ok(())
    }

    /// A thread can only be let go when it is stopped, and a signal that was
    /// on its way must get there. One that dies stays a zombie until its
    /// tracer takes note, and its whole task with it.
    fn release_unsettled(&mut self) -> commensal_sys::Result<()> {
        for &tid in &self.unsettled {
            // Of a thread that is gone there is nothing to stop.
            let _ = ptrace::interrupt(tid);
        }
        let deadline = Instant::now() + LET_GO_TIMEOUT;
        let backoff = Backoff::start();
        loop {
            let unsettled = core::mem::take(&mut self.unsettled);
            for tid in unsettled {
                match let_go(self.pid, tid) {
                    true => self.is_over(tid),
                    false => self.unsettled.push(tid),
                }
            }
            let Some(&tid) = self.unsettled.first() else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                self.unsettled.clear();
                let errno = Errno::TIMEDOUT;
                return Err(commensal_sys::Error::new("PTRACE_DETACH", tid.get(), errno));
            }
            backoff.pause();
        }
    }
}

/// Lets a thread go if it has stopped, or is gone; whether it was one of the two.
fn let_go(pid: Pid, tid: Tid) -> bool {
    match try_wait(tid) {
        Ok(None) => false,
        Ok(Some(Stop::Gone)) | Err(_) => true,
        Ok(Some(Stop::Signal(signal))) => ptrace::detach(tid, signal).is_ok(),
        Ok(Some(_)) => {
            // What it was in may be a call that answers our stop.
            let status = Status::read(pid, tid);
            let is_off =
                |status: Option<Status>| status.is_some_and(|it| it.seccomp == Seccomp::Off);
            put_right(tid, !status.is_ok_and(is_off));
            ptrace::detach(tid, 0).is_ok()
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            later(move || tracing::warn!(%error, "a thread is let go when this thread ends"));
        }
    }
}

/// What a thread did that was asked to stop.
enum Step {
    Pending,
    /// At an event stop, or in the group-stop it was in.
    AtRest(Option<i32>),
    Gone,
}

/// A signal that was on its way is delivered first.
fn step(tid: Tid) -> Result<Step, Error> {
    Ok(match try_wait(tid)? {
        None => Step::Pending,
        Some(Stop::Gone) => Step::Gone,
        Some(Stop::Event) => Step::AtRest(None),
        Some(Stop::Group(signal)) => Step::AtRest(Some(signal)),
        Some(Stop::Signal(signal)) => resume(tid, signal)?,
        Some(Stop::Syscall) => resume(tid, 0)?,
    })
}

/// One that was killed just now is seen to end later.
fn resume(tid: Tid, signal: i32) -> Result<Step, Error> {
    match ptrace::cont(tid, signal) {
        Err(error) if !error.is_gone() => Err(error.into()),
        _ => Ok(Step::Pending),
    }
}

/// Waits until a thread does not sleep, or interruptibly, and gives its
/// status: one that is seized in uninterruptible sleep could not be let go
/// before it wakes up.
///
/// # Errors
///
/// [`Error::Stuck`] where it has been in one such sleep until `deadline`.
pub(crate) fn wait_until_interruptible(
    pid: Pid,
    tid: Tid,
    deadline: Instant,
) -> Result<Option<Status>, Error> {
    let backoff = Backoff::start();
    let mut first = None;
    loop {
        let status = match Status::read(pid, tid)? {
            Some(status) if status.is_uninterruptible() => status,
            other => return Ok(other),
        };
        // It woke up in between: it will again.
        if *first.get_or_insert(status.switches) != status.switches {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Err(stuck(pid, tid));
        }
        backoff.pause();
    }
}

fn stuck(pid: Pid, tid: Tid) -> Error {
    let wait_channel = fs::read_to_string(format!("/proc/{pid}/task/{tid}/wchan"));
    Error::Stuck {
        tid,
        seconds: STOP_TIMEOUT.as_secs(),
        wait_channel: wait_channel.unwrap_or_else(|_| "an unknown place".into()),
    }
}
