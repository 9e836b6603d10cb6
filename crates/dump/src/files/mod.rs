//! Descriptors: what is open in a tree, into the images.
//!
//! Descriptors are read from outside a stopped task, through duplicates of them (pidfd_getfd(2));
//! nothing runs in the task for it. The pieces:
//!
//! - [`OpenFile`]: one descriptor and what the kernel says of it;
//! - `kind`: what it is, the one place that decides that;
//! - `identity`: which descriptors are the same description, the one place that decides that;
//! - one module per kind, which writes its entry: a new kind is a new module and a line in `kind`;
//! - `remap`: how the restore finds a file whose name is gone;
//! - [`FilesDump`]: the tables and images that all tasks of the tree share, until it is [`Finished`].
//!
//! [`check()`] asks the same code what it would refuse, and writes nothing.

mod around;
mod bpf_map;
mod build_id;
mod check;
mod epoll;
mod eventfd;
mod fanotify;
mod fdinfo;
mod fifo;
mod finish;
mod foreseen;
pub(crate) mod fuzzing;
mod ghost;
mod handle;
mod identity;
mod images;
mod inotify;
mod irmap;
mod kind;
mod link_remap;
mod locks;
mod memfd;
mod mounts;
mod named;
mod namespace;
mod open_file;
mod owner;
mod pidfd;
mod pipe;
mod regular;
mod remap;
mod signalfd;
mod stat;
mod table;
mod timerfd;
mod tty;
mod tun;
mod unsaved;
mod unsupported;

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use commensal_images::messages::{FdTypes, FileEntry};
use commensal_sys::Pid;

pub use around::Around;
pub use check::check;
pub use finish::Finished;
pub use images::Images;
pub(crate) use kind::Kind;
pub(crate) use kind::MemoryDevices;
pub use link_remap::Links;
pub use open_file::{OpenFile, own_pid};
pub use stat::Stat;
pub use table::{FdFlags, Table, numbers};
pub use tty::{Drained, UnreadData};
pub use tun::{
    Device as TunDevice, Devices as TunDevices, USUAL_SEND_BUFFER as USUAL_TUN_SEND_BUFFER,
};
pub use unsaved::{Unsaved, warn};

use crate::mnt::Namespaces;
use crate::net::Sockets;
use crate::pidns::Pids;
use crate::userns::Users;
use crate::{Options, Place, Result};
use identity::{Identities, Identity};

/// Whether a pass over the descriptors writes them or only asks whether they can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// The tree is stopped; contents are read and written.
    Write,
    /// The tree runs; nothing is read that reading changes, and nothing is left behind.
    Check,
}

/// The files of a whole tree, on their way to the images.
///
/// Every table of descriptors goes through [`FilesDump::table`] once, every file that is held
/// without a descriptor through [`FilesDump::register`]; [`FilesDump::finish`] writes what can
/// only be known at the end.
pub struct FilesDump<'s> {
    options: &'s Options,
    pass: Pass,
    /// The tasks of the tree, the root first.
    tasks: Vec<Pid>,
    /// What the tree calls them.
    pids: Pids,
    /// What it calls users and groups.
    pub(crate) users: Users,
    pub(crate) images: Images<'s>,
    files: commensal_images::EntryWriter<'s>,
    identities: Identities,
    /// The types of the descriptions that were written.
    types: HashMap<u32, FdTypes>,
    memory_devices: MemoryDevices,
    /// Where its paths lead.
    pub(crate) namespaces: Arc<Namespaces>,
    remaps: remap::Remaps<'s>,
    named: named::NamedFiles,
    /// The ids of files that stand for a path, by mount, device and inode.
    paths: HashMap<(u64, u64, u64), u32>,
    /// The ids of those that were registered while the tree ran, with the name each had.
    foreseen: foreseen::Foreseen,
    /// Build ids that are known already, by device and inode.
    build_ids: HashMap<(u64, u64), Vec<u32>>,
    pipes: pipe::Pipes<'s>,
    terminals: tty::Terminals<'s>,
    epolls: epoll::Epolls,
    memory_files: memfd::MemoryFiles<'s>,
    locks: locks::Locks<'s>,
    bpf_maps: bpf_map::BpfMaps<'s>,
    tun_devices: TunDevices,
    pub(crate) sockets: Sockets<'s>,
    /// What is said before the tree is stopped, of a pass that checks.
    unsaved: Unsaved,
    held: Vec<table::Held>,
    /// Descriptors of ours that kcmp(2) may still be asked about.
    kept: Vec<OwnedFd>,
}

impl<'s> FilesDump<'s> {
    /// What all tasks of a tree share; it may still run, and calls them as `pids` has it.
    ///
    /// # Errors
    ///
    /// When an image cannot be begun.
    pub fn new(
        images: Images<'s>,
        (around, pids): (Around, Pids),
        options: &'s Options,
    ) -> Result<Self> {
        Self::for_pass(images, (around, pids), options, Pass::Write)
    }

    /// The tree is of these tasks, the root first, zombies included; `pids` is what it calls them,
    /// `users` what it calls the owners of files.
    pub fn begin(&mut self, tasks: Vec<Pid>, pids: Pids, users: Users) {
        self.tasks = tasks;
        self.pids = pids;
        self.users = users;
    }

    fn for_pass(
        images: Images<'s>,
        (around, pids): (Around, Pids),
        options: &'s Options,
        pass: Pass,
    ) -> Result<Self> {
        let Around {
            namespaces,
            networks,
            memory_devices,
        } = around;
        Ok(Self {
            options,
            pass,
            tasks: Vec::new(),
            pids,
            users: Users::OURS,
            files: images.entries(commensal_images::Image::Files)?,
            identities: Identities::default(),
            types: HashMap::new(),
            memory_devices,
            namespaces,
            remaps: remap::Remaps::new(&images)?,
            named: named::NamedFiles::default(),
            paths: HashMap::new(),
            foreseen: foreseen::Foreseen::default(),
            build_ids: HashMap::new(),
            pipes: pipe::Pipes::new(&images)?,
            terminals: tty::Terminals::new(&images)?,
            epolls: epoll::Epolls::default(),
            memory_files: memfd::MemoryFiles::new(&images)?,
            locks: locks::Locks::new(&images)?,
            bpf_maps: bpf_map::BpfMaps::new(&images)?,
            tun_devices: TunDevices::new(),
            sockets: Sockets::new(&images, options, networks)?,
            unsaved: Unsaved::new(),
            held: Vec::new(),
            kept: Vec::new(),
            images,
        })
    }

    /// The id of a file that a task holds without a descriptor: what is mapped, or its `exe`,
    /// `cwd` or `root`, opened by us with `O_PATH` or otherwise. The entry stands for the path
    /// alone; one inode gives one entry.
    ///
    /// # Errors
    ///
    /// A refusal where the restore would not find it by any path.
    pub fn register(&mut self, fd: OwnedFd, place: Place) -> Result<u32> {
        let file = OpenFile::of_path(fd, place)?;
        let key = (file.stat.mnt_id, file.stat.dev, file.stat.ino);
        if let Some(id) = self.paths.get(&key) {
            return Ok(*id);
        }
        if !self.foreseen.is_empty()
            && let Some(id) = self.foreseen.get(&file.stat, file.link()?)
        {
            self.paths.insert(key, id);
            return Ok(id);
        }
        let id = self.identities.fresh();
        if self.memory_devices.contains(file.stat.dev) {
            memfd::dump(&file, id, self)?;
        } else {
            regular::dump_path(&file, id, self)?;
        }
        self.paths.insert(key, id);
        Ok(id)
    }

    /// The ids of what descriptors of the tree refer to, each with the first task that has one.
    pub(crate) fn holders(&self) -> HashMap<u32, Pid> {
        let mut held: Vec<_> = self.held.iter().map(|one| (one.id, one.at.pid)).collect();
        held.sort_unstable_by(|one, two| two.cmp(one));
        held.into_iter().collect()
    }

    /// An id for something that is written like a file and that no task has open.
    pub(crate) fn fresh_id(&mut self) -> u32 {
        self.identities.fresh()
    }

    /// The type and id of a description that no task has a descriptor of, only a socket's queue.
    /// The descriptor is kept until the end of the dump.
    ///
    /// # Errors
    ///
    /// As [`FilesDump::table`].
    pub fn in_flight(&mut self, fd: OwnedFd, place: Place) -> Result<(FdTypes, u32)> {
        let file = OpenFile::in_flight(fd, place, (&self.pids, &self.users))?;
        let (kind, id) = self.dump(&file)?;
        self.kept.push(file.into_fd());
        Ok((kind, id))
    }

    /// Keeps numbers of shared memory free for the segments of System V's.
    pub fn reserve_shared_memory(&mut self, shmids: impl IntoIterator<Item = u32>) {
        self.memory_files.reserve(shmids);
    }

    /// The type and id of a description; its entry is written where it is new.
    fn dump(&mut self, file: &OpenFile) -> Result<(FdTypes, u32)> {
        match self.identities.resolve(file)? {
            // One that was refused before has no type; asking goes on after a refusal.
            Identity::Known(id) => Ok((*self.types.get(&id).unwrap_or(&FdTypes::Und), id)),
            Identity::New(id) => {
                file.check_owner(self.options.accept_loss)?;
                let kind = kind::classify(file, self)?;
                (kind.dump)(file, id, self)?;
                self.types.insert(id, kind.fd_type);
                Ok((kind.fd_type, id))
            }
        }
    }

    /// Writes one entry of `files.img`; `fill` puts the kind's own message in.
    pub(crate) fn write(
        &mut self,
        fd_type: FdTypes,
        id: u32,
        fill: impl FnOnce(&mut FileEntry),
    ) -> Result<()> {
        let mut entry = FileEntry {
            r#type: fd_type.into(),
            id,
            ..FileEntry::default()
        };
        fill(&mut entry);
        Ok(self.files.entry(&entry)?)
    }

    /// Whether contents are read and written, or only refusals looked for.
    pub(crate) fn writes(&self) -> bool {
        self.pass == Pass::Write
    }
}
