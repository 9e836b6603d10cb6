//! What a dump would refuse, asked of a tree that runs.

use commensal_images::{Image, ImageSet, ImageSink, SinkFile, WriteError};
use commensal_seized::unsaid;
use commensal_sys::pidfd::PidFd;
use commensal_sys::{Errno, Pid};

use super::{Around, FilesDump, Images, OpenFile, Pass, Unsaved, table};
use crate::pidns::Pids;
use crate::tree::namespaces::IdsOfTree;
use crate::userns::Users;
use crate::{Error, Options, Refusal, Result};

/// Every descriptor of a tree that a dump would refuse now: of its live tasks, the root first; its
/// zombies have none, but others may refer to them. What it calls its tasks and users and which ids its
/// namespaces have is `known`. The same code that dumps is asked; it reads
/// nothing that reading changes, and writes nothing.
///
/// A task that ends and a descriptor that is closed meanwhile have nothing to refuse. A table is
/// not read in one moment, so that of a pair that was just made one end may be missing: what is
/// refused is looked at twice. Nothing is warned of: the dump does that, but for what is given here. What is
/// around the descriptors is given, too.
///
/// # Errors
///
/// When the descriptors of a task cannot be read at all.
pub fn check(
    live: &[Pid],
    zombies: &[Pid],
    known: (&Pids, &Users, &IdsOfTree),
    options: &Options,
) -> Result<(Vec<Refusal>, Unsaved, Around)> {
    let look = || unsaid(|| look(live, zombies, known, options));
    match look()? {
        (refusals, ..) if !refusals.is_empty() => look(),
        looked => Ok(looked),
    }
}

fn look(
    live: &[Pid],
    zombies: &[Pid],
    (pids, users, ids): (&Pids, &Users, &IdsOfTree),
    options: &Options,
) -> Result<(Vec<Refusal>, Unsaved, Around)> {
    let set = ImageSet::new(Nowhere);
    let tasks = [live, zombies].concat();
    let around = Around::of(live, (pids, ids), options)?;
    let of = (around.clone(), pids.clone());
    let mut dump = FilesDump::for_pass(Images::of(&set), of, options, Pass::Check)?;
    dump.begin(tasks, pids.clone(), users.clone());
    let mut refusals = Vec::new();
    for pid in live {
        match check_task(*pid, &mut dump, &mut refusals) {
            Err(Error::Gone { .. }) => {}
            other => other?,
        }
    }
    let unsaved = std::mem::take(&mut dump.unsaved);
    collect(dump.finish(), &mut refusals)?;
    Ok((refusals, unsaved, around))
}

fn check_task(pid: Pid, dump: &mut FilesDump<'_>, refusals: &mut Vec<Refusal>) -> Result<()> {
    let task = match PidFd::open(pid) {
        Ok(task) => task,
        Err(error) if error.is_gone() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for fd in table::numbers(pid)? {
        let one = table::FdFlags { fd, cloexec: false };
        let file = OpenFile::of_task(&task, one.fd, None, (&dump.pids, &dump.users));
        collect(file.and_then(|file| dump.descriptor(&file, one)), refusals)?;
    }
    Ok(())
}

/// Keeps what is refused, lets pass what was closed meanwhile.
fn collect<T>(result: Result<T>, refusals: &mut Vec<Refusal>) -> Result<()> {
    match result {
        Ok(_) | Err(Error::Gone { .. }) => Ok(()),
        Err(Error::Refused(refused)) => {
            refusals.extend(refused);
            Ok(())
        }
        Err(Error::Sys(error)) if error.is_gone() || error.errno == Errno::BADF => Ok(()),
        Err(Error::Proc { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A sink that forgets.
struct Nowhere;

impl ImageSink for Nowhere {
    fn create(&self, _: Image) -> Result<Box<dyn SinkFile>, WriteError> {
        Ok(Box::new(Nowhere))
    }

    fn commit(&self, _: Image, _: &[u8]) -> Result<(), WriteError> {
        Ok(())
    }
}

impl SinkFile for Nowhere {
    fn write_all_at(&self, _: &[u8], _: u64) -> Result<(), WriteError> {
        Ok(())
    }
}
