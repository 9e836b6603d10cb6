//! What every pass over the descriptors of a tree needs to know of what is around them.

use std::sync::Arc;

use commensal_sys::Pid;

use super::{MemoryDevices, own_pid};
use crate::mnt::Namespaces;
use crate::net::namespace::Networks;
use crate::pidns::Pids;
use crate::tree::namespaces::IdsOfTree;
use crate::{Error, Options, Place, Result};

/// What is read once of a tree that runs. Of namespaces of its own it is read again when the tree stands
/// still ([`FilesDump::read_namespaces`](super::FilesDump::read_namespaces)).
#[derive(Clone, Debug)]
pub struct Around {
    /// Where its paths lead.
    pub(super) namespaces: Arc<Namespaces>,
    /// Its network namespaces.
    pub(crate) networks: Networks,
    /// What its files in memory are on.
    pub(super) memory_devices: MemoryDevices,
}

impl Around {
    /// Of a tree of these `live` tasks, the root first, which it calls as `pids` has it, and whose namespaces
    /// have these `ids`.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn of(live: &[Pid], (pids, ids): (&Pids, &IdsOfTree), options: &Options) -> Result<Self> {
        let root = live.first().copied().unwrap_or_else(own_pid);
        let memory_devices = MemoryDevices::find().map_err(|errno| Error::Call {
            call: "memfd_create",
            place: Place::Task { pid: root },
            errno,
        })?;
        Ok(Self {
            namespaces: Arc::new(Namespaces::of(live, (pids, ids), &options.mounts)?),
            networks: Networks::of(live, ids)?,
            memory_devices,
        })
    }
}
