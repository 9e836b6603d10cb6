//! Whose a file is, and who is told of I/O on it (fcntl(2), F_SETOWN), as the tree calls them.

use commensal_images::messages::FownEntry;
use commensal_sys::{Pid, fcntl};

use super::OpenFile;
use crate::pidns::Pids;
use crate::proc::Status;
use crate::userns::{Uid, Unmapped, Users};
use crate::{Error, Result};

/// What the tree calls tasks, and users.
pub type Names<'n> = (&'n Pids, &'n Users);

impl OpenFile {
    /// What the tree calls its owner: the user, and the group.
    ///
    /// # Errors
    ///
    /// Refused where the tree has no id for one of the two; `what` is the file.
    pub fn owned_by(&self, what: &str, users: &Users) -> Result<(u32, u32)> {
        let owner = users.owner(self.stat.owner);
        owner.map_err(|unmapped| unmapped.refuse(what, self.place.clone()).into())
    }

    /// Asks who is told of I/O on it, and by whose will.
    pub(super) fn ask_owner(&mut self, (pids, users): Names<'_>) -> Result<()> {
        self.owner.signum = self.ask("F_GETSIG", fcntl::signal)?;
        let owner = self.ask("F_GETOWN_EX", fcntl::owner)?;
        if owner.pid == 0 {
            return Ok(());
        }
        let Some(id) = pids.find(owner.pid) else {
            return Err(self.outside_owner(owner.pid));
        };
        if owner.kind == fcntl::OWNER_THREAD && !is_leader(owner.pid)? {
            self.owner_thread = Some(owner.pid);
            return Ok(());
        }
        let uids = self.ask("F_GETOWNER_UIDS", fcntl::owner_uids)?;
        let uid = |uid| {
            let what = "a file that a user set the receiver of signals of (F_SETOWN)";
            let unmapped = |unmapped: Unmapped| unmapped.refuse(what, self.place.clone());
            users.uid(Uid::told(uid)).map_err(unmapped)
        };
        self.owner = FownEntry {
            uid: uid(uids.uid)?,
            euid: uid(uids.euid)?,
            signum: self.owner.signum,
            pid_type: owner.kind as u32,
            pid: id.for_image(),
        };
        Ok(())
    }

    /// Refuses an owner that the restore would not find, unless that is accepted.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub(super) fn check_owner(&self, accepted: bool) -> Result<()> {
        self.owner_thread.map_or(Ok(()), |tid| {
            self.lose(
                format!("a file whose signals go to thread {tid} (F_SETOWN_EX)"),
                "the restore sets owners before it makes threads, so it would have none",
                accepted,
            )
        })
    }

    fn outside_owner(&self, pid: i32) -> Error {
        self.refuse(
            format!("a file whose signals go to task or group {pid} (F_SETOWN)"),
            "that is outside of the tree's pid namespace, where it has no id",
            "let the program own the file itself, or close it before the dump",
        )
    }
}

/// Whether a thread is the leader of its task; one that is gone is nobody's owner any more.
fn is_leader(tid: i32) -> Result<bool> {
    let Some(pid) = Pid::new(tid) else {
        return Ok(true);
    };
    match Status::of_task(pid) {
        Ok(status) => Ok(status.tgid == Some(pid)),
        Err(Error::Gone { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}
