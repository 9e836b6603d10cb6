//! The way out.

use commensal_cured::Cured;
use commensal_seized::Failed;

use crate::infect::Parasite;
use crate::infect::close;
use crate::{Error, Infected};

impl Infected {
    /// Removes every trace of the parasite and puts the thread back where it
    /// was.
    ///
    /// # Errors
    ///
    /// Why it could not be removed; the parasite then leaves by itself as soon
    /// as the state is dropped.
    pub fn cure(self) -> Result<Cured, Failed<Self, Error>> {
        self.into_parasite().cure().map_err(|failed| Failed {
            error: failed.error,
            state: failed.state.map(Self::from_parasite),
        })
    }
}

impl Parasite {
    /// Cures a stopped task.
    pub(crate) fn cure(mut self) -> Result<Cured, Failed<Self, Error>> {
        match self.close_socket() {
            Ok(()) => {}
            Err(error) if error.is_gone() => return Err(Failed::gone(error)),
            Err(error) => return Err(Failed::kept(error, self)),
        }
        let Self {
            task, injection, ..
        } = self;
        let landed = if self.inside {
            injection.land()
        } else {
            injection.abandon()
        };
        match landed {
            Ok(proof) => Ok(Cured::new(task, proof)),
            Err(error) => Err(Failed::gone(error.into())),
        }
    }

    /// Closes the parasite's end of the channel in the target, once; unless it
    /// went home by itself, because something else closed it.
    fn close_socket(&mut self) -> Result<(), Error> {
        self.inside = self.injection.is_inside(self.range())?;
        if self.inside
            && let Some(socket) = self.socket.take()
        {
            close(&mut self.injection, socket)?;
        }
        Ok(())
    }
}
