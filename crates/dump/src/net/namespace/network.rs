//! One network namespace: what cannot be saved of it, and its images. All of it is asked by a thread
//! inside.

use std::fs::File;
use std::os::fd::AsFd;

use commensal_images::messages::{NetnsEntry, NetnsId};
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::Pid;

use super::{
    conntrack, enter, filters, in_thread, links, nsids, open, programs, refusal, refuse_to_enter,
    settings, sysctls, unsaved,
};
use crate::files::TunDevices;
use crate::userns::Users;
use crate::{Error, External, Options, Refusal, Result};

/// A network namespace that tasks of the tree live in.
#[derive(Debug)]
pub struct Network {
    /// Its number in the images.
    pub(super) id: u32,
    pub(super) inode: u64,
    /// A task that lives in it.
    pub(super) task: Pid,
    namespace: File,
    /// Whether it is the one that the dump runs in.
    pub(super) is_here: bool,
}

impl Network {
    /// That of a task, with its number and its inode.
    ///
    /// # Errors
    ///
    /// Where the task is gone.
    pub(super) fn of(task: Pid, (id, inode): (u32, u64), is_here: bool) -> Result<Self> {
        Ok(Self {
            id,
            inode,
            task,
            namespace: open(task)?,
            is_here,
        })
    }

    /// Calls `work` inside of it.
    ///
    /// # Errors
    ///
    /// A refusal where we may not enter it.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        if self.is_here {
            return Ok(work());
        }
        in_thread(|| {
            enter(&self.namespace).map_err(|errno| refuse_to_enter(self.task, errno))?;
            Ok(work())
        })
    }

    /// What cannot be saved of it, while the tree still runs.
    ///
    /// # Errors
    ///
    /// Where it cannot be looked at.
    pub(super) fn check(&self, all: &[Self], options: &Options) -> Result<Vec<Refusal>> {
        if self.is_left_out(options) {
            return Ok(Vec::new());
        }
        let task = self.task;
        self.inside(|| {
            let mut refusals = links::check(task, &ids(all, options)?)?;
            let missing = programs::check(task);
            if missing.is_empty() {
                refusals.extend(filters::check(task)?);
            }
            refusals.extend(missing);
            refusals.extend(unsaved::check(task)?);
            for loss in [links::losses()?, unsaved::losses()?].concat() {
                refusals.extend(loss.unless_accepted(task, options));
            }
            sysctls::warn();
            Ok(refusals)
        })?
    }

    /// Writes its images but that of its interfaces; `lock` is put behind its packet filter.
    ///
    /// # Errors
    ///
    /// Where something in it cannot be read.
    pub(super) fn dump<S: ImageSink>(
        &self,
        all: &[Self],
        (set, users): (&ImageSet<S>, &Users),
        options: &Options,
        lock: &str,
    ) -> Result<()> {
        let id = self.id;
        if let Some(name) = self.external(&options.external) {
            let entry = NetnsEntry {
                ext_key: Some(name.to_owned()),
                ..NetnsEntry::default()
            };
            return Ok(set.one(Image::Netns(id), &entry)?);
        }
        self.inside(|| {
            if !options.empty_network {
                let ids = ids(all, options)?;
                // They may have changed since the tree ran.
                super::all_of(links::check(self.task, &ids)?)?;
                self.contents(ids, (set, users), lock)?;
            }
            for (image, bytes) in conntrack::save(id)? {
                if !bytes.is_empty() {
                    set.raw(image)?.write_all_at(&bytes, 0)?;
                }
            }
            Ok(())
        })?
    }

    fn contents<S: ImageSink>(
        &self,
        nsids: Vec<NetnsId>,
        (set, users): (&ImageSet<S>, &Users),
        lock: &str,
    ) -> Result<()> {
        let (id, task) = (self.id, self.task);
        let settings = settings::of_namespace(users).map_err(|unmapped| {
            refusal(
                task,
                "in a network namespace with net.ipv4.ping_group_range set",
                &format!("{unmapped} has no id in the tree's user namespace"),
                "set the range to groups of the user namespace",
            )
        })?;
        let entry = NetnsEntry { nsids, ..settings };
        set.one(Image::Netns(id), &entry)?;
        for (image, mut bytes) in programs::save(id)? {
            if image == Image::Nftables(id) {
                bytes.extend_from_slice(lock.as_bytes());
            }
            if !bytes.is_empty() {
                set.raw(image)?.write_all_at(&bytes, 0)?;
            }
        }
        Ok(())
    }

    /// Writes the image of its interfaces, once all descriptors are known.
    ///
    /// # Errors
    ///
    /// Where an interface cannot be saved.
    pub(super) fn dump_links<S: ImageSink>(
        &self,
        all: &[Self],
        set: &ImageSet<S>,
        options: &Options,
        devices: &TunDevices,
    ) -> Result<()> {
        if self.is_left_out(options) {
            return Ok(());
        }
        let id = self.id;
        self.inside(|| {
            let mut image = set.entries(Image::Netdev(id))?;
            for link in links::all(&ids(all, options)?)? {
                let entry = link.entry(id, devices, self.task, options.accept_loss)?;
                image.entry(&entry)?;
                link.advise();
            }
            Ok(image.finish()?)
        })?
    }

    /// The names of its ends of veth pairs, and whether the other ends are outside.
    pub(super) fn veths(&self, all: &[Self], options: &Options) -> Result<Vec<(String, bool)>> {
        if self.is_left_out(options) {
            return Ok(Vec::new());
        }
        self.inside(|| {
            let links = links::all(&ids(all, options)?)?;
            let veths = links.iter().filter_map(links::Link::veth);
            Ok(veths
                .map(|(name, outside)| (name.to_owned(), outside))
                .collect())
        })?
    }

    /// Whether the restore gets it from elsewhere, or an empty one.
    pub(super) fn is_left_out(&self, options: &Options) -> bool {
        options.empty_network || self.external(&options.external).is_some()
    }

    /// The name by which the restore will be given it, if it will.
    pub(super) fn external<'o>(&self, external: &'o [External]) -> Option<&'o str> {
        external.iter().find_map(|external| match external {
            External::Network { inode, name } if *inode == self.inode => Some(name.as_str()),
            _ => None,
        })
    }
}

/// The ids that our thread's namespace has for those of the tree, but for those that the restore is
/// given: it makes no interface in them. There is an id for wherever the other end of an interface
/// is, once that was asked for.
fn ids(all: &[Network], options: &Options) -> Result<Vec<NetnsId>> {
    let made = |one: &&Network| one.external(&options.external).is_none();
    let others = all.iter().filter(made);
    let others = others.map(|one| (one.id, one.namespace.as_fd()));
    let read = || {
        links::read()?;
        nsids::read(others)
    };
    read().map_err(|source| Error::Netlink {
        request: "the ids of other network namespaces",
        source,
    })
}
