//! Socket options that are changed for the time of a read and put back, by us
//! or, if we die, by the caretaker.

use std::ffi::CString;

use commensal_sys::caretaker::{Caretaker, Undoing};
use commensal_sys::sockopt::{self, SockOpt};
use commensal_sys::{Errno, Error as SysError};

use crate::Result;
use crate::files::OpenFile;

/// A change of one option.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// The option.
    pub opt: SockOpt,
    /// Its value for the time of the read, if we set it; it may also change as
    /// a consequence of another.
    pub during: Option<i32>,
    /// Its value afterwards.
    pub after: i32,
}

/// Makes changes and sees to it that they are taken back.
#[derive(Debug, Default)]
pub struct Changes {
    caretaker: Option<Caretaker>,
    /// What the caretaker runs last if we die.
    last: Option<CString>,
}

impl Changes {
    /// A shell command that is run if we die. It is told to the caretaker when
    /// that starts, so it has to come before the first change.
    pub fn if_we_die(&mut self, command: CString) -> Result<()> {
        self.last = Some(command);
        self.caretaker().map(drop)
    }

    /// Runs `read` while the changes hold. They are taken back in the order
    /// they were made, also where `read` fails.
    pub fn during<T>(
        &mut self,
        file: &OpenFile,
        changes: &[Change],
        read: impl FnOnce(&OpenFile) -> Result<T>,
    ) -> Result<T> {
        let announced = self.announce(file, changes)?;
        let made = make(file, changes);
        let outcome = made.and_then(|()| read(file));
        let back = take_back(file, changes);
        if back.is_ok() {
            self.settle(announced)?;
        }
        outcome.and_then(|value| back.map(|()| value))
    }

    /// Makes changes that last until [`Changes::forget`], or are taken back by
    /// the caretaker when this is dropped.
    pub fn keep(&mut self, file: &OpenFile, changes: &[Change]) -> Result<()> {
        // Nothing settles these one by one.
        let _open = self.announce(file, changes)?;
        make(file, changes)
    }

    /// Lets everything stay as it is now, and ends the caretaker.
    pub fn forget(&mut self) -> Result<()> {
        match self.caretaker.take() {
            Some(caretaker) => caretaker.dismiss().map_err(gone),
            None => Ok(()),
        }
    }

    fn announce(&mut self, file: &OpenFile, changes: &[Change]) -> Result<Vec<Undoing>> {
        let caretaker = self.caretaker()?;
        let announce = |change: &Change| caretaker.will_set(file.fd(), change.opt, change.after);
        let announced: Result<_, Errno> = changes.iter().map(announce).collect();
        announced.map_err(gone)
    }

    fn settle(&mut self, announced: Vec<Undoing>) -> Result<()> {
        let caretaker = self.caretaker()?;
        for undoing in announced {
            caretaker.settle(undoing).map_err(gone)?;
        }
        Ok(())
    }

    fn caretaker(&mut self) -> Result<&mut Caretaker> {
        match &mut self.caretaker {
            Some(caretaker) => Ok(caretaker),
            none => Ok(none.insert(Caretaker::start(self.last.as_ref()).map_err(gone)?)),
        }
    }
}

fn make(file: &OpenFile, changes: &[Change]) -> Result<()> {
    for change in changes {
        if let Some(value) = change.during {
            file.ask("setsockopt", |fd| sockopt::set(fd, change.opt, &value))?;
        }
    }
    Ok(())
}

fn take_back(file: &OpenFile, changes: &[Change]) -> Result<()> {
    for change in changes {
        file.ask("setsockopt", |fd| {
            sockopt::set(fd, change.opt, &change.after)
        })?;
    }
    Ok(())
}

/// The caretaker could not be started or reached.
fn gone(errno: Errno) -> crate::Error {
    SysError::new(
        "starting or telling the caretaker process",
        std::process::id() as i32,
        errno,
    )
    .into()
}
