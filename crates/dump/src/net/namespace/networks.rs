//! All network namespaces that tasks of a tree live in.

use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use commensal_images::{ImageSet, ImageSink};
use commensal_seized::Silence;
use commensal_sys::{Errno, Pid, sockio};

use super::network::Network;
use super::{all_of, refusal};
use crate::files::{OpenFile, Stat, TunDevices};
use crate::net::lock;
use crate::tree::namespaces::{IdsOfTree, inode_of, own_pid, tree_id};
use crate::userns::Users;
use crate::{External, NetworkLock, Options, Refusal, Result};

/// The network namespaces of a tree, that of its root first, which the dump runs in.
#[derive(Clone, Debug, Default)]
pub struct Networks(Arc<Vec<Network>>);

impl Networks {
    /// Those that these tasks live in, the root of their tree first, whose namespaces have these `ids`; they
    /// may still run.
    ///
    /// # Errors
    ///
    /// Where the root is gone.
    pub fn of(live: &[Pid], ids: &IdsOfTree) -> Result<Self> {
        let root = live.first().copied().unwrap_or_else(own_pid);
        let mut all: Vec<Network> = Vec::new();
        for &task in live {
            let found = inode_of(task, "net").and_then(|inode| {
                let known = all.iter().any(|one| Some(one.inode) == inode);
                let new = inode.filter(|_| !known);
                let place = new.and_then(|inode| Some((ids.of_inode("net", inode)?, inode)));
                place
                    .map(|place| Network::of(task, place, task == root))
                    .transpose()
            });
            match found {
                Ok(found) => all.extend(found),
                // Of a tree that runs: the namespace may have ended with the task.
                Err(_) if task != root => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(Arc::new(all)))
    }

    /// Those of the tree's own: none where it lives in ours.
    fn own(&self) -> &[Network] {
        match self.0.first() {
            Some(first) if first.id == tree_id("net") => &self.0,
            _ => &[],
        }
    }

    /// Whether they are the tree's own.
    pub fn are_own(&self) -> bool {
        !self.own().is_empty()
    }

    /// What cannot be saved of them; those `seen` before are left out.
    ///
    /// # Errors
    ///
    /// Where one of them cannot be looked at.
    pub fn check(&self, seen: &Self, options: &Options) -> Result<()> {
        let is_new = |one: &&Network| seen.0.iter().all(|seen| seen.inode != one.inode);
        let own = self.own();
        let new: Vec<_> = own.iter().filter(is_new).collect();
        let mut refusals = Vec::new();
        for network in &new {
            refusals.extend(network.check(own, options)?);
        }
        if own.len() > 1 && !new.is_empty() {
            refusals.extend(self.beside_each_other(options)?);
        }
        all_of(refusals)
    }

    /// What cannot be saved of several.
    fn beside_each_other(&self, options: &Options) -> Result<Vec<Refusal>> {
        let own = self.own();
        let mut refusals = Vec::new();
        if options.empty_network {
            let nested = own.iter().skip(1).map(|network| {
                refusal(
                    network.task,
                    "in another network namespace than the root of the tree",
                    "the restore gives only the root an empty one (--empty-ns net)",
                    "dump without --empty-ns net",
                )
            });
            refusals.extend(nested);
        }
        let mut veths = Vec::new();
        for network in own {
            let here = network.veths(own, options)?;
            veths.extend(
                here.into_iter()
                    .map(|(name, outside)| (network, name, outside)),
            );
        }
        for (network, name, _) in veths.iter().filter(|(.., outside)| *outside) {
            if veths.iter().filter(|(_, other, _)| other == name).count() > 1 {
                refusals.push(refusal(
                    network.task,
                    &format!("in a network namespace with {name}, whose other end is outside"),
                    "another namespace of the tree has a veth of the same name, and the restore \
                     tells by the name alone which of them to connect",
                    "rename one of them before the dump (ip link set DEV name NAME)",
                ));
            }
        }
        Ok(refusals)
    }

    /// Writes their images but those of interfaces; `run_id` is the dump's in the inventory. The
    /// restore takes a lock away from the root's alone, so no other is given one.
    ///
    /// # Errors
    ///
    /// Where something cannot be read.
    pub fn dump<S: ImageSink + Sync>(
        &self,
        (set, users): (&ImageSet<S>, &Users),
        options: &Options,
        run_id: &str,
    ) -> Result<()> {
        let own = self.own();
        let dump = |network: &Network| {
            let locked = network.is_here && options.network_lock() != NetworkLock::Skip;
            let lock = match locked {
                true => lock::in_images(run_id),
                false => String::new(),
            };
            network.dump(own, (set, users), options, &lock)
        };
        // At the same time: most of it is waiting for programs.
        let silence = Silence::of_thread();
        thread::scope(|scope| {
            let start = |network| {
                let silence = silence.clone();
                scope.spawn(move || {
                    let _silence = silence.keep();
                    dump(network)
                })
            };
            let threads: Vec<_> = own.iter().map(start).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .fold(Ok(()), Result::and)
        })
    }

    /// Writes the images of their interfaces, once all descriptors are known.
    ///
    /// # Errors
    ///
    /// Where an interface cannot be saved.
    pub fn dump_links<S: ImageSink + Sync>(
        &self,
        set: &ImageSet<S>,
        options: &Options,
        devices: &TunDevices,
    ) -> Result<()> {
        let own = self.own();
        own.iter()
            .try_for_each(|network| network.dump_links(own, set, options, devices))
    }

    /// Whether there is one with a number.
    pub fn has(&self, id: u32) -> bool {
        self.0.iter().any(|network| network.id == id)
    }

    /// The number of one.
    pub fn id_of(&self, inode: u64) -> Option<u32> {
        let found = self.0.iter().find(|network| network.inode == inode);
        found.map(|network| network.id)
    }

    /// Calls `ask` in each of them.
    ///
    /// # Errors
    ///
    /// Where one cannot be entered.
    pub fn each<T: Send>(&self, ask: impl Fn() -> T + Sync) -> Result<Vec<T>> {
        self.0.iter().map(|network| network.inside(&ask)).collect()
    }

    /// Calls `work` in the one with a number; where there is none, where we are.
    ///
    /// # Errors
    ///
    /// Where it cannot be entered.
    pub fn inside<T: Send>(&self, id: u32, work: impl FnOnce() -> T + Send) -> Result<T> {
        match self.0.iter().find(|network| network.id == id) {
            Some(network) => network.inside(work),
            None => Ok(work()),
        }
    }

    /// Whether the dump runs in the one with a number.
    pub fn is_here(&self, id: u32) -> bool {
        let is_it = |network: &Network| network.id == id && !network.is_here;
        !self.0.iter().any(is_it)
    }

    /// Whether the restore is given the one with a number.
    pub fn is_external(&self, id: u32, external: &[External]) -> bool {
        let mut all = self.0.iter().filter(|network| network.id == id);
        all.any(|network| network.external(external).is_some())
    }

    /// Whether the one with a number is the tree's own, and all of it is in the images.
    pub fn is_saved(&self, id: u32, options: &Options) -> bool {
        let mut own = self.own().iter().filter(|network| network.id == id);
        own.any(|network| !network.is_left_out(options))
    }

    /// The number of the one that a socket is in.
    ///
    /// # Errors
    ///
    /// A refusal where no task of the tree lives there.
    pub fn of_socket(&self, file: &OpenFile) -> Result<u32> {
        let first = self.0.first().map_or(0, |first| first.id);
        let namespace = match sockio::network_namespace(file.fd()) {
            Ok(namespace) => namespace,
            // Who may not know has no other than ours.
            Err(Errno::PERM) => return Ok(first),
            Err(errno) => return Err(file.error("ioctl(SIOCGSKNS)", errno)),
        };
        let inode = file.ask("statx", |_| Stat::of(namespace.as_fd()))?.ino;
        match self.id_of(inode) {
            Some(id) => Ok(id),
            None => Err(file.refuse(
                "a socket of another network namespace",
                "no task of the tree lives in it, so the restore would not find it",
                "close it before the dump",
            )),
        }
    }
}
