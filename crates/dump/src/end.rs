//! The end of a dump: a tree that is to run on goes as soon as everything is collected, any other
//! when its images are complete.

use std::time::{Duration, Instant};

use crate::files::{Drained, UnreadData};
use crate::let_go::Standing;
use crate::mm::{LazyPages, LazyServer};
use crate::output::share;
use crate::stages::Stages;
use crate::{Error, Options, Result, Then};

/// How a dump ends.
pub struct End<'a> {
    /// The caller's hooks.
    pub stages: &'a Stages<'a>,
    /// What becomes of the tree, among others.
    pub options: &'a Options,
    /// When it was stopped.
    pub frozen_since: Instant,
    /// What stays in it until it was fetched, and who gives it.
    pub lazy: Option<(LazyServer, &'a LazyPages)>,
}

/// What became of a tree of which everything was collected.
pub enum Tree {
    /// It waits for its images to be complete.
    Stands(Box<Waiting>),
    /// It was let go at once.
    RunsOn {
        /// Whether that worked.
        gone: Result<()>,
        /// How long it stood still.
        frozen: Duration,
    },
}

/// A tree that waits for its images to be complete.
pub struct Waiting {
    /// Dropped first: put back before the tree runs on.
    drained: Option<Drained>,
    standing: Standing,
}

impl End<'_> {
    /// Everything was collected but what is `unread` in terminals. Tells, too, of how many sides of
    /// them the images lack it.
    ///
    /// # Errors
    ///
    /// Where a terminal cannot be read.
    pub fn collected(
        &self,
        standing: Standing,
        unread: Option<UnreadData<'_>>,
    ) -> Result<(Tree, u64)> {
        let stands = self.stages.need_stopped_tree() || self.lazy.is_some();
        if self.options.then == Then::Resume && !stands {
            let lost = unread.map_or(0, UnreadData::leave);
            self.stages.unlock_network(true);
            let tree = Tree::RunsOn {
                gone: standing.let_go(Then::Resume, ""),
                frozen: self.frozen_since.elapsed(),
            };
            return Ok((tree, lost));
        }
        // Reading a terminal takes its data from the tree, which must not miss it; nor must one that
        // has yet to be fetched, however long that takes.
        let (drained, lost) = match self.options.then {
            Then::Kill if self.lazy.is_none() => {
                let drained = unread.map(UnreadData::drain).transpose()?;
                let lost = drained.as_ref().map_or(0, Drained::lost);
                (drained, lost)
            }
            _ => (None, unread.map_or(0, UnreadData::leave)),
        };
        Ok((Tree::Stands(Box::new(Waiting { drained, standing })), lost))
    }

    /// The images are complete; `run_id` is the inventory's. Tells how long the tree stood still.
    ///
    /// # Errors
    ///
    /// The hook's, or where what stays in the tree was not fetched, with which it runs on; or where a
    /// task could not be let go.
    pub fn images_complete(&self, tree: Tree, run_id: &str) -> Result<Duration> {
        let hook = self.stages.dumped()?;
        let (gone, frozen) = match tree {
            Tree::RunsOn { gone, frozen } => (gone, frozen),
            Tree::Stands(waiting) => {
                let fetched = match &hook {
                    Ok(()) => self.serve(),
                    Err(_) => Ok(()),
                };
                let then = match (&hook, &fetched) {
                    (Ok(()), Ok(())) => self.options.then,
                    _ => Then::Resume,
                };
                let gone = self.let_go(*waiting, then, run_id);
                (fetched.and(gone), self.frozen_since.elapsed())
            }
        };
        hook.map_err(|source| Error::Hook {
            stage: "post-dump",
            source,
        })?;
        gone.map(|()| frozen)
    }

    /// Gives what stays in the tree to who fetches it.
    fn serve(&self) -> Result<()> {
        let Some((server, pages)) = &self.lazy else {
            return Ok(());
        };
        share(&self.options.images_dir);
        self.stages.lazy_pages(server.port())?;
        server.serve(pages, &self.options.cancel)
    }

    fn let_go(&self, waiting: Waiting, then: Then, run_id: &str) -> Result<()> {
        let Waiting { drained, standing } = waiting;
        match then {
            Then::Kill => drained.map_or((), Drained::forget),
            Then::Resume | Then::Stop => drop(drained),
        }
        self.stages.unlock_network(then == Then::Resume);
        standing.let_go(then, run_id)
    }
}
