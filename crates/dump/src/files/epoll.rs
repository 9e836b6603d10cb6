//! epoll(7): what an instance watches.
//!
//! The kernel names a target by the number it had when it was added. That number may since mean
//! another file, or none, so kcmp(2) is asked for a descriptor that the target has now. This has
//! to wait until all tables are known.

use std::collections::{HashMap, HashSet};

use commensal_images::messages::{EventpollFileEntry, EventpollTfdEntry, FdTypes};
use commensal_seized::later;
use commensal_sys::epoll;
use commensal_sys::kcmp::{self, EpollTarget, TaskFd};
use commensal_sys::{Errno, Pid};
use rustix::event::epoll::EventFlags;

use super::fdinfo::{FdInfo, hex_word, word};
use super::kind::Kind;
use super::table::Held;
use super::{FilesDump, OpenFile, own_pid};
use crate::{Error, Place, Refusal, Result};

/// epoll instances.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Eventpoll,
    dump,
};

/// The instances of a tree, until all tables are known.
#[derive(Debug, Default)]
pub struct Epolls {
    waiting: Vec<(Place, EventpollFileEntry)>,
}

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let info = file.fdinfo()?;
    let lines = info.lines().filter(|line| line.starts_with("tfd:"));
    let tfd = lines
        .map(|line| target(&info, line))
        .collect::<Result<Vec<_>>>()?;
    tell_of_losses(file, &tfd, dump);
    let entry = EventpollFileEntry {
        id,
        flags: file.flags,
        fown: file.owner.clone(),
        tfd,
    };
    dump.epolls.waiting.push((file.place.clone(), entry));
    Ok(())
}

/// Says what of an instance a restore does not bring back.
fn tell_of_losses(file: &OpenFile, targets: &[EventpollTfdEntry], dump: &mut FilesDump<'_>) {
    // An older kernel has no such settings.
    if epoll::busy_poll(file.fd()).is_ok_and(|params| params != epoll::BusyPoll::default()) {
        dump.is_unsaved(file, "busy polling of an epoll instance (EPIOCSPARAMS)");
    }
    let disabled = targets.iter().filter(|target| is_disabled(target)).count();
    if disabled > 0 && dump.writes() {
        let place = file.place.clone();
        later(move || {
            tracing::warn!(
                "{place}: after the restore, {disabled} files that had their one event (EPOLLONESHOT) are watched \
                 for errors and hang-ups again"
            )
        });
    }
}

/// Whether a target had its one event: the kernel then leaves it none to wait for, not even the two
/// that it adds to every target.
fn is_disabled(target: &EventpollTfdEntry) -> bool {
    let flags = EventFlags::ONESHOT | EventFlags::ET | EventFlags::WAKEUP | EventFlags::EXCLUSIVE;
    target.events & EventFlags::ONESHOT.bits() != 0 && target.events & !flags.bits() == 0
}

/// `tfd:  7 events:  19 data:  7  pos:0 ino:1ddd7 sdev:f`; all but the first in hexadecimal.
pub fn target(info: &FdInfo, line: &str) -> Result<EventpollTfdEntry> {
    let unexpected = || info.unexpected(line);
    let hex = |key| hex_word(line, key).ok_or_else(unexpected);
    Ok(EventpollTfdEntry {
        id: 0,
        tfd: word(line, "tfd")
            .and_then(|n| n.parse().ok())
            .ok_or_else(unexpected)?,
        events: u32::try_from(hex("events")?).map_err(|_| unexpected())?,
        data: hex("data")?,
        pos: Some(
            word(line, "pos")
                .and_then(|n| n.parse().ok())
                .ok_or_else(unexpected)?,
        ),
        inode: Some(hex("ino")?),
        dev: Some(u32::try_from(hex("sdev")?).map_err(|_| unexpected())?),
    })
}

/// Writes the instances, their targets under the numbers they have now.
///
/// # Errors
///
/// A refusal where a target has no number any more in the task that restores the instance.
pub fn finish(dump: &mut FilesDump<'_>) -> Result<()> {
    let waiting = std::mem::take(&mut dump.epolls.waiting);
    // Of a tree that runs nothing can be said: it opens and closes meanwhile, and a duplicate of
    // ours keeps a file that it closed in the instance a little longer.
    if waiting.is_empty() || !dump.writes() {
        return Ok(());
    }
    let held = std::mem::take(&mut dump.held);
    let tables = Tables::of(&held);
    for (place, mut entry) in waiting {
        // One that only a socket's queue holds has no table its targets could be looked up in.
        if let Some(epoll) = tables.restorer(entry.id) {
            find_targets(&mut entry, epoll, &tables, &place)?;
        }
        dump.write(FdTypes::Eventpoll, entry.id, |to| {
            to.epfd = Some(entry.clone())
        })?;
    }
    Ok(())
}

/// Gives each target the number it has now. Those that kept theirs come first, because no two
/// targets may have one number and one file: an instance that watches a file under a number of
/// before and under the one of now needs another duplicate for it.
fn find_targets(
    entry: &mut EventpollFileEntry,
    epoll: TaskFd,
    tables: &Tables<'_>,
    place: &Place,
) -> Result<()> {
    let slots = slots(entry, epoll);
    let mut taken = HashSet::new();
    let mut moved = Vec::new();
    for (target, slot) in entry.tfd.iter_mut().zip(slots) {
        let inode = target.inode.unwrap_or_default();
        match tables.is_at(slot, target.tfd, inode)? {
            true => drop(taken.insert(target.tfd)),
            false => moved.push((target, slot, inode)),
        }
    }
    for (target, slot, inode) in moved {
        let found = tables.find(slot, inode, &taken)?;
        let fd = found.ok_or_else(|| lost_target(place, target.tfd))?;
        target.tfd = fd as u32;
        taken.insert(target.tfd);
    }
    Ok(())
}

/// How kcmp(2) is asked for each target: those with one number follow each other in fdinfo as
/// it counts them.
fn slots(entry: &EventpollFileEntry, epoll: TaskFd) -> Vec<EpollTarget> {
    let mut seen = HashMap::<u32, u32>::new();
    let targets = entry.tfd.iter();
    targets
        .map(|target| {
            let count = seen.entry(target.tfd).or_default();
            let index = *count;
            *count += 1;
            EpollTarget {
                epoll,
                tfd: target.tfd,
                index,
            }
        })
        .collect()
}

fn lost_target(place: &Place, tfd: u32) -> Error {
    Error::from(Refusal {
        what: format!("an epoll instance that watches the former descriptor {tfd}"),
        place: place.clone(),
        reason: "that number was closed in this task while the file stayed open elsewhere or \
                 under a number that is watched, too: the restore has no number to watch"
            .into(),
        remedy: "remove a file from the epoll instance before closing its number".into(),
    })
}

/// All descriptors, by description and by table.
struct Tables<'h> {
    by_id: HashMap<u32, Vec<&'h Held>>,
    by_task: HashMap<Pid, Vec<&'h Held>>,
}

impl<'h> Tables<'h> {
    fn of(held: &'h [Held]) -> Self {
        let (mut by_id, mut by_task) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for one in held {
            by_id.entry(one.id).or_default().push(one);
            by_task.entry(one.at.pid).or_default().push(one);
        }
        Self { by_id, by_task }
    }

    /// The descriptor through which a description is restored: that of the lowest pid.
    fn restorer(&self, id: u32) -> Option<TaskFd> {
        let holders = self.by_id.get(&id)?.iter().map(|held| held.at);
        holders
            .filter(|at| at.pid != own_pid())
            .min_by_key(|at| (at.pid, at.fd))
    }

    /// The descriptors of a task.
    fn of_task(&self, pid: Pid) -> &[&'h Held] {
        self.by_task.get(&pid).map_or(&[][..], Vec::as_slice)
    }

    /// Whether number `fd` of the instance's task is the target.
    fn is_at(&self, target: EpollTarget, fd: u32, inode: u64) -> Result<bool> {
        let mut table = self.of_task(target.epoll.pid).iter();
        match table.find(|held| held.at.fd as u32 == fd && held.ino == inode) {
            Some(held) => is_target(held, target),
            None => Ok(false),
        }
    }

    /// A number of the target in the task of the instance, none of those that are taken.
    fn find(&self, target: EpollTarget, inode: u64, taken: &HashSet<u32>) -> Result<Option<i32>> {
        let table = self.of_task(target.epoll.pid).iter();
        for held in table.filter(|held| held.ino == inode) {
            if !taken.contains(&(held.at.fd as u32)) && is_target(held, target)? {
                return Ok(Some(held.at.fd));
            }
        }
        Ok(None)
    }
}

/// Whether a descriptor is what a slot of an instance watches.
fn is_target(held: &Held, target: EpollTarget) -> Result<bool> {
    match kcmp::epoll_target(held.at, target) {
        Ok(order) => Ok(order == std::cmp::Ordering::Equal),
        // The instance went on watching, or stopped to, while it was looked at.
        Err(error) if error.errno == Errno::NOENT => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_line_is_hexadecimal_but_for_the_number_and_the_offset() {
        let line = "tfd:       14 events:       19 data:               ff  pos:10 ino:40e sdev:10";
        let info = FdInfo::of_text(line);
        let target = target(&info, line).unwrap();
        assert_eq!((target.tfd, target.events, target.data), (14, 0x19, 0xff));
        assert_eq!(
            (target.pos, target.inode, target.dev),
            (Some(10), Some(0x40e), Some(0x10))
        );
    }
}
