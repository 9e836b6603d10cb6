//! Socket options that are changed for the time of a read and put back, by us
//! or, if we die, by the caretaker.

use std::ffi::CStr;
use std::rc::Rc;

use commensal_seized::caretaker;
use commensal_sys::caretaker::{Caretaker, LastCommand, Undoing};
use commensal_sys::sockopt::{self, SockOpt};

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
    caretaker: Option<Rc<Caretaker>>,
    /// What the caretaker runs last if we die.
    last: Option<LastCommand>,
}

impl Changes {
    /// A shell command that is run if we die.
    pub fn if_we_die(&mut self, command: &CStr) -> Result<()> {
        self.last = Some(self.caretaker()?.will_run(command)?);
        Ok(())
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

    /// Lets everything stay as it is now, also if we die.
    pub fn forget(&mut self) -> Result<()> {
        let Some(caretaker) = self.caretaker.take() else {
            return Ok(());
        };
        if let Some(last) = self.last.take() {
            caretaker.cancel(last);
        }
        Ok(caretaker.settle_all()?)
    }

    fn announce(&mut self, file: &OpenFile, changes: &[Change]) -> Result<Vec<Undoing>> {
        let caretaker = self.caretaker()?;
        let announce = |change: &Change| caretaker.will_set(file.fd(), change.opt, change.after);
        let announced: commensal_sys::Result<_> = changes.iter().map(announce).collect();
        Ok(announced?)
    }

    fn settle(&mut self, announced: Vec<Undoing>) -> Result<()> {
        let caretaker = self.caretaker()?;
        for undoing in announced {
            caretaker.settle(undoing)?;
        }
        Ok(())
    }

    fn caretaker(&mut self) -> Result<&Caretaker> {
        match &mut self.caretaker {
            Some(caretaker) => Ok(caretaker),
            none => Ok(none.insert(caretaker()?)),
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
