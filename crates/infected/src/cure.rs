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
        match self.close_sockets() {
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

    /// Closes what the target has of the channel, once; unless the parasite
    /// went home by itself, because something else closed it.
    fn close_sockets(&mut self) -> Result<(), Error> {
        self.inside = self.injection.is_inside(self.range())?;
        if self.inside
            && let Some([own, ours]) = self.sockets.take()
        {
            if self.has_copy(ours) {
                close(&mut self.injection, ours)?;
            }
            close(&mut self.injection, own)?;
        }
        Ok(())
    }

    /// Whether the target still has our end at number `fd`. The parasite closes that before it says
    /// anything; behind a free number there soon is something else.
    fn has_copy(&self, fd: i32) -> bool {
        !self.channel.answered() && self.fd(fd).is_ok_and(|file| self.channel.is_end(&file))
    }
}
