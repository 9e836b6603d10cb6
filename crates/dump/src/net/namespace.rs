//! A network namespace of the tree's own (network_namespaces(7)).
//!
//! The whole dump then runs in a thread inside of it: the kernel's tables of
//! sockets, its settings and its packet filter are those of the thread that
//! asks, and so are those of the programs it starts. Our other threads stay
//! where they are.
//!
//! - `links`: its interfaces, of a `kind` each, with what `tun` and `bridge` have of their own;
//! - `settings`: its sysctls that the images have a place for, `sysctls` the others;
//! - `unsaved`: what else they have no place for;
//! - `fresh`: a new namespace, to compare with;
//! - `programs`: what iproute2, iptables and nftables save themselves, `saved` its form,
//!   `filters` what of it they could not read again;
//! - `conntrack`: connections that its packet filter remembers.

mod bridge;
mod conntrack;
mod filters;
mod fresh;
mod kind;
mod links;
mod programs;
mod saved;
mod settings;
mod sysctls;
mod tun;
mod unsaved;

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use commensal_images::messages::NetnsEntry;
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::Pid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::lock;
use crate::files::TunDevices;
use crate::tree::namespaces::{Namespaces, own_pid};
use crate::userns::Users;
use crate::{Error, External, Options, Place, Refusal, Result, proc};

/// The tree's network namespace, which the calling thread is in.
pub struct Network {
    root: Pid,
    inside: File,
    outside: File,
}

/// Calls `work` inside of the network namespace of the tree of `root`, and
/// tells it so; where that is our own, it is called as it is.
///
/// # Errors
///
/// Those of `work`; a refusal where we may not enter the namespace.
pub fn inside<T: Send>(
    root: Pid,
    work: impl FnOnce(Option<&Network>) -> Result<T> + Send,
) -> Result<T> {
    // What else is wrong with the task is found, and said, by others.
    let Ok(namespaces) = Namespaces::of(root) else {
        return work(None);
    };
    if !namespaces.differences(&Namespaces::own()?).contains(&"net") {
        return work(None);
    }
    let network = Network {
        root,
        inside: open(root)?,
        outside: open(own_pid())?,
    };
    let result = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter(&network.inside).map_err(|errno| network.refuse(errno))?;
            work(Some(&network))
        });
        thread.join()
    });
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Network {
    /// What cannot be saved of it, while the tree still runs.
    ///
    /// # Errors
    ///
    /// Where the namespace cannot be looked at.
    pub fn check(&self, options: &Options) -> Result<()> {
        if options.empty_network || self.external(options).is_some() {
            return Ok(());
        }
        let mut refusals = links::check(self.root)?;
        let missing = programs::check(self.root);
        if missing.is_empty() {
            refusals.extend(filters::check(self.root)?);
        }
        refusals.extend(missing);
        refusals.extend(unsaved::check(self.root)?);
        for loss in [links::losses()?, unsaved::losses()?].concat() {
            refusals.extend(loss.unless_accepted(self.root, options));
        }
        sysctls::warn();
        all_of(refusals)
    }

    /// Writes its images; `id` is its number in the ids of the tasks, and `run_id` the dump's in the
    /// inventory.
    ///
    /// # Errors
    ///
    /// Where something in it cannot be read.
    pub fn dump<S: ImageSink>(
        &self,
        id: u32,
        set: &ImageSet<S>,
        options: &Options,
        run_id: &str,
    ) -> Result<()> {
        if let Some(name) = self.external(options) {
            let entry = NetnsEntry {
                ext_key: Some(name.to_owned()),
                ..NetnsEntry::default()
            };
            return Ok(set.one(Image::Netns(id), &entry)?);
        }
        if !options.empty_network {
            // They may have changed since the tree ran.
            all_of(links::check(self.root)?)?;
            let lock = lock::in_images(options.network_lock, run_id);
            self.contents(id, set, &lock)?;
        }
        for (image, bytes) in conntrack::save(id)? {
            if !bytes.is_empty() {
                set.raw(image)?.write_all_at(&bytes, 0)?;
            }
        }
        Ok(())
    }

    fn contents<S: ImageSink>(&self, id: u32, set: &ImageSet<S>, lock: &str) -> Result<()> {
        let users = Users::of(self.root)?;
        let settings = settings::of_namespace(&users).map_err(|unmapped| {
            refusal(
                self.root,
                "in a network namespace with net.ipv4.ping_group_range set",
                &format!("{unmapped} has no id in the tree's user namespace"),
                "set the range to groups of the user namespace",
            )
        })?;
        set.one(Image::Netns(id), &settings)?;
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
    pub fn dump_links<S: ImageSink>(
        &self,
        id: u32,
        set: &ImageSet<S>,
        options: &Options,
        devices: &TunDevices,
    ) -> Result<()> {
        if options.empty_network || self.external(options).is_some() {
            return Ok(());
        }
        let mut image = set.entries(Image::Netdev(id))?;
        for link in links::all()? {
            let entry = link.entry(id, devices, self.root, options.accept_loss)?;
            image.entry(&entry)?;
            link.advise();
        }
        Ok(image.finish()?)
    }

    /// The name by which the restore will be given it, if it will.
    fn external<'o>(&self, options: &'o Options) -> Option<&'o str> {
        let own = self.inside.metadata().ok()?.ino();
        options.external.iter().find_map(|external| match external {
            External::Network { inode, name } if *inode == own => Some(name.as_str()),
            _ => None,
        })
    }

    /// Calls `work` back in our own namespace: what is the caller's business.
    ///
    /// # Errors
    ///
    /// Where this thread cannot change its namespace.
    pub fn outside<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        let failed = |errno| Error::Sys(commensal_sys::Error::new("setns", self.root.get(), errno));
        enter(&self.outside).map_err(failed)?;
        let result = work();
        enter(&self.inside).map_err(failed)?;
        Ok(result)
    }

    fn refuse(&self, errno: commensal_sys::Errno) -> Refusal {
        refusal(
            self.root,
            "in a network namespace of its own",
            &format!("it cannot be entered: {errno}"),
            "dump it as root, or from inside its network namespace (nsenter --net)",
        )
    }
}

/// What the images lack.
#[derive(Clone, Debug)]
struct Loss {
    /// What the namespace is with: "permanent neighbours".
    what: String,
    reason: &'static str,
    remedy: &'static str,
}

impl Loss {
    /// The refusal of it, or a warning where the caller accepts it.
    fn unless_accepted(self, root: Pid, options: &Options) -> Option<Refusal> {
        let what = format!("in a network namespace with {}", self.what);
        if options.accept_loss {
            tracing::warn!("task {root} is {what}: {}", self.reason);
            return None;
        }
        Some(refusal(root, &what, self.reason, self.remedy))
    }
}

fn all_of(refusals: Vec<Refusal>) -> Result<()> {
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(Error::Refused(refusals)),
    }
}

fn open(pid: Pid) -> Result<File> {
    let path = proc::path(pid, "ns/net");
    File::open(&path).map_err(|source| proc::error(pid, path, source))
}

fn enter(namespace: &File) -> Result<(), commensal_sys::Errno> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
}

fn refusal(root: Pid, what: &str, reason: &str, remedy: &str) -> Refusal {
    Refusal {
        what: what.into(),
        place: Place::Task { pid: root },
        reason: reason.into(),
        remedy: remedy.into(),
    }
}
