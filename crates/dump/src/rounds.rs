//! The rounds of a pre-copy: the memory of the running tree, again and again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use commensal_images::{Existing, ImageSet, ImagesDir};
use commensal_sys::{Errno, Pid};

use crate::mm::precopy::{PreCopy, Rule};
use crate::mm::{PageWriter, Tracker};
use crate::prepare::Prepared;
use crate::{Cancel, Error, Options, Place, Refusal, Result, inventory};

/// What the rounds came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rounds {
    /// How many there were.
    pub count: u32,
    /// Pages written, of 4096 bytes.
    pub pages: u64,
    /// Bytes of their images.
    pub bytes: u64,
}

impl Prepared {
    /// Makes rounds until the rule says that it is enough, and links `dir` to
    /// the last one. The mappings are then as fresh as can be.
    ///
    /// # Errors
    ///
    /// A refusal where the kernel cannot do it, or something appeared that
    /// cannot be dumped; [`Error::Image`]; [`Error::Cancelled`].
    pub fn pre_copy(&mut self, how: &PreCopy, dir: &ImagesDir, options: &Options) -> Result<()> {
        let started = Instant::now();
        self.trackers = trackers(self.mapped.mappings.keys().copied())?;
        let mut rounds = Rounds::default();
        let mut rule = Rule::new(*how);
        loop {
            rounds.count += 1;
            let (copied, bytes) = self.round(rounds.count, dir.path(), &options.cancel)?;
            rounds.pages += copied;
            rounds.bytes += bytes;
            if let Some(why) = rule.after(copied, started.elapsed()) {
                tracing::info!("{} rounds of pre-copy: {why:?}", rounds.count);
                break;
            }
        }
        dir.link_parent(Path::new(&name(rounds.count)))?;
        self.rounds = rounds;
        self.read_again()
    }

    /// One round over all tasks; gives the pages copied, and the bytes of its images.
    fn round(&mut self, number: u32, dir: &Path, cancel: &Cancel) -> Result<(u64, u64)> {
        let sink = ImagesDir::create(&round_dir(dir, number), Existing::ReplaceSet)?;
        if number > 1 {
            sink.link_parent(&Path::new("..").join(name(number - 1)))?;
        }
        let set = ImageSet::new(sink);
        // One thread, that of the caller: the tree needs the processors.
        let pages = PageWriter::new(&set).cancel(cancel.clone());
        let mut copied = 0;
        for pid in self.trackers.keys().copied().collect::<Vec<_>>() {
            cancel.check()?;
            copied += self.task_round(pid, &pages)?;
        }
        drop(pages);
        let sink = set.finish(&inventory::of_round(self.ids.own()))?;
        Ok((copied, sink.bytes()))
    }

    /// One round of one task. One that cannot go on is not tracked any more:
    /// its memory is then copied whole while it stands still.
    fn task_round(&mut self, pid: Pid, pages: &PageWriter<'_, ImagesDir>) -> Result<u64> {
        let (Some(mut tracker), Some(mappings)) = (
            self.trackers.remove(&pid),
            self.mapped.mappings.get_mut(&pid),
        ) else {
            return Ok(0);
        };
        let result = mappings
            .refresh(&mut self.mapped.files)
            .and_then(|()| tracker.register_running(mappings))
            .and_then(|()| pages.round(self.pids.task(pid)?, mappings, &mut tracker));
        match result {
            Ok(Some(copied)) => {
                self.trackers.insert(pid, tracker);
                return Ok(copied);
            }
            Ok(None) => tracing::warn!(
                "task {pid} reads files past the cache (O_DIRECT, AIO), which cannot be tracked: \
                 its memory is copied while it stands still"
            ),
            Err(error @ (Error::Refused(_) | Error::Image(_) | Error::Cancelled)) => {
                return Err(error);
            }
            Err(Error::Gone { .. }) => {}
            Err(error) => tracing::warn!(
                "task {pid} is not tracked any more, its memory is copied while it stands still: \
                 {error}"
            ),
        }
        Ok(0)
    }

    /// Reads mappings and flags once more, so that while the tree stands still
    /// only what changes from here on is read.
    fn read_again(&mut self) -> Result<()> {
        for pid in self.trackers.keys().copied().collect::<Vec<_>>() {
            match self.mapped.read(pid) {
                Ok(mappings) => drop(self.mapped.mappings.insert(pid, mappings)),
                Err(error @ Error::Refused(_)) => return Err(error),
                // It ended: the frozen tree will be without it.
                Err(_) => drop(self.mapped.mappings.remove(&pid)),
            }
        }
        Ok(())
    }
}

/// A tracker for each task that can have one.
fn trackers(pids: impl Iterator<Item = Pid>) -> Result<HashMap<Pid, Tracker>> {
    let mut trackers = HashMap::new();
    for pid in pids {
        match Tracker::open(pid) {
            Ok(Some(tracker)) => drop(trackers.insert(pid, tracker)),
            Ok(None) => tracing::warn!(
                "task {pid} is stopped by a signal and is not tracked: its memory is copied while the tree \
                 stands still"
            ),
            Err(Error::Sys(error)) if error.errno == Errno::INVAL => return Err(too_old(pid)),
            Err(Error::Seized(error)) if error.is_gone() => {}
            Err(error) => tracing::warn!(
                "task {pid} cannot be tracked, its memory is copied while it stands still: {error}"
            ),
        }
    }
    Ok(trackers)
}

fn too_old(pid: Pid) -> Error {
    Refusal {
        what: "a task to be pre-copied".into(),
        place: Place::Task { pid },
        reason: "the kernel has no asynchronous write protection by userfaultfd".into(),
        remedy: "use Linux 6.7 or later, or dump without pre-copy".into(),
    }
    .into()
}

fn name(number: u32) -> String {
    format!("round-{number}")
}

fn round_dir(dir: &Path, number: u32) -> PathBuf {
    dir.join(name(number))
}
