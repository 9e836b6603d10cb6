//! pidfd_open(2): a task as a file.

use commensal_images::messages::{FdTypes, PidfdEntry};
use commensal_sys::Pid;
use rustix::fs::OFlags;

use super::kind::Kind;
use super::{FilesDump, OpenFile};
use crate::Result;

/// Task files.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Pidfd,
    dump,
};

/// `PIDFD_THREAD` (pidfd_open(2)) is the same bit as O_EXCL.
const PIDFD_THREAD: u32 = OFlags::EXCL.bits();

/// What stands for the pid of a task that is gone.
const DEAD: i32 = -1;

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    if file.flags & PIDFD_THREAD != 0 {
        return Err(file.refuse(
            "a pidfd of a single thread",
            "the restore opens pidfds of whole tasks only",
            "close it before the dump",
        ));
    }
    let info = file.fdinfo()?;
    let pid: i32 = info.number("Pid")?;
    if pid != DEAD && !Pid::new(pid).is_some_and(|pid| dump.tasks.contains(&pid)) {
        return Err(file.refuse(
            format!("a pidfd of task {pid}, which is outside of the tree"),
            "the restore cannot know which task will stand for it",
            "close it before the dump, or dump a tree that has both tasks",
        ));
    }
    let nspid = info.parsed("NSpid", |text| text.split_whitespace().last()?.parse().ok())?;
    let entry = PidfdEntry {
        id,
        ino: info.number("ino")?,
        flags: file.flags & !OFlags::RDWR.bits(),
        nspid,
        fown: file.owner.clone(),
    };
    dump.write(FdTypes::Pidfd, id, |to| to.pidfd = Some(entry))
}
