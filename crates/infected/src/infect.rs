//! The way in.

use std::os::fd::OwnedFd;

use commensal_abi::{CALLS, EXCHANGE_LEN};
use commensal_blob::{DAEMON_ENTRY, TEXT_LEN};
use commensal_seized::later;
use commensal_seized::{Failed, Injection, LeaveSlot, Pid, Registers, Seized, Tid};
use commensal_sys::RemoteRange;
use commensal_sys::pidfd::PidFd;
use zerocopy::FromBytes;

use crate::Error;
use crate::channel::Channel;
use crate::mapping::{MAPPING_LEN, Mapping};

/// close(2).
const CLOSE: u32 = 3;

/// A stopped task with the parasite in one of its threads.
///
/// Dropping it cures the task and lets it go.
#[derive(Debug)]
pub struct Infected {
    /// Taken by the transitions only.
    parasite: Option<Parasite>,
}

/// The parasite in a task: what `Infected` and `Serving` have in common.
#[derive(Debug)]
pub(crate) struct Parasite {
    /// Before `task`: dropped together, the thread is first put back and then
    /// let go.
    pub(crate) injection: Injection,
    pub(crate) mapping: Mapping,
    pub(crate) channel: Channel,
    pub(crate) pidfd: PidFd,
    /// Both ends of the channel in the target, the parasite's first.
    pub(crate) sockets: Option<[i32; 2]>,
    /// Whether the thread is still in code of ours.
    pub(crate) inside: bool,
    pub(crate) task: Seized,
}

impl Infected {
    /// Maps the parasite into a held task and opens its channel. It is in the
    /// leader, or in another thread where that has exited.
    ///
    /// # Errors
    ///
    /// Why the task could not be entered; it is still held, and as it was.
    pub fn infect(mut task: Seized) -> Result<Self, Failed<Seized, Error>> {
        match enter(&mut task) {
            Ok(entered) => Ok(Self::from_parasite(entered.into_parasite(task))),
            Err(error) if error.is_gone() => Err(Failed::gone(error)),
            Err(error) => Err(Failed::kept(error, task)),
        }
    }

    /// The held task, for reading.
    pub fn task(&self) -> &Seized {
        &self.parasite().task
    }

    /// The task's id.
    pub fn pid(&self) -> Pid {
        self.task().pid()
    }

    /// The thread that the parasite is in.
    pub fn tid(&self) -> Tid {
        self.parasite().injection.tid()
    }

    pub(crate) fn from_parasite(parasite: Parasite) -> Self {
        Self {
            parasite: Some(parasite),
        }
    }

    pub(crate) fn into_parasite(mut self) -> Parasite {
        self.parasite
            .take()
            .expect("a transition takes the state whole")
    }

    pub(crate) fn parasite(&self) -> &Parasite {
        self.parasite
            .as_ref()
            .expect("a transition takes the state whole")
    }

    pub(crate) fn parasite_mut(&mut self) -> &mut Parasite {
        self.parasite
            .as_mut()
            .expect("a transition takes the state whole")
    }
}

impl Drop for Infected {
    fn drop(&mut self) {
        if let Some(parasite) = self.parasite.take()
            && let Err(failed) = parasite.cure()
            && !failed.error.is_gone()
        {
            let error = failed.error;
            later(move || tracing::warn!(%error, "the parasite leaves by itself"));
        }
    }
}

/// What the target has of ours so far.
pub(crate) struct Entered {
    injection: Injection,
    mapping: Mapping,
    sockets: [i32; 2],
    channel: OwnedFd,
    pidfd: PidFd,
}

impl Entered {
    fn into_parasite(self, task: Seized) -> Parasite {
        let channel = Channel::new(task.pid(), self.channel);
        let Self {
            injection,
            mapping,
            pidfd,
            sockets,
            ..
        } = self;
        let sockets = Some(sockets);
        Parasite {
            task,
            injection,
            mapping,
            channel,
            pidfd,
            sockets,
            inside: true,
        }
    }
}

/// Goes in as far as the exit of the parasite's socketpair(2). Whatever fails, landing the injection
/// undoes it.
fn enter(task: &mut Seized) -> Result<Entered, Error> {
    let tid = task.threads()[0].tid();
    let mut injection = Injection::prepare(task, tid, None)?;
    injection.check_calls(&CALLS)?;
    let mapping = Mapping::create(task, &mut injection)?;
    let sockets = start(&mut injection, &mapping)?;
    match take_channel(task.pid(), sockets[1]) {
        Ok((channel, pidfd)) => Ok(Entered {
            injection,
            mapping,
            sockets,
            channel,
            pidfd,
        }),
        Err(error) => {
            for end in sockets {
                close(&mut injection, end)?;
            }
            Err(error)
        }
    }
}

/// Takes our end of the channel. The parasite itself closes its copy when it runs.
fn take_channel(pid: Pid, end: i32) -> Result<(OwnedFd, PidFd), Error> {
    let pidfd = PidFd::open(pid)?;
    let channel = pidfd.duplicate(end)?;
    Ok((channel, pidfd))
}

/// Closes a descriptor in the target; one that is closed already is no error.
pub(crate) fn close(injection: &mut Injection, fd: i32) -> Result<(), Error> {
    match injection.call("close", CLOSE, [fd as u64, 0, 0, 0, 0, 0]) {
        Ok(_) | Err(commensal_seized::Error::Remote { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Sends the thread into the parasite and stops it behind socketpair(2), where
/// the second end can be taken.
fn start(injection: &mut Injection, mapping: &Mapping) -> Result<[i32; 2], Error> {
    let registers = Registers {
        r12: injection.slot(LeaveSlot::Unmap).get(),
        r14: mapping.at(TEXT_LEN).get(),
        r15: injection.data().get(),
        ..Registers::default()
    };
    injection.enter_code(mapping.at(DAEMON_ENTRY), registers)?;
    injection.run_to_syscall_stop()?;
    injection.finish_syscall("socketpair")?;
    let ends = injection.read_data::<8>()?;
    Ok(<[i32; 2]>::read_from_bytes(&ends).expect("two ints are eight bytes"))
}

impl Parasite {
    /// Where all of the parasite is in the target.
    pub(crate) fn range(&self) -> RemoteRange {
        let start = self.mapping.base.get();
        RemoteRange::new(start, start + MAPPING_LEN as u64).expect("ends after its start")
    }
}

const _: () = assert!(MAPPING_LEN == TEXT_LEN + EXCHANGE_LEN);
