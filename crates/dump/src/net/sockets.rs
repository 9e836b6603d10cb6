//! What the sockets of a tree share while they are being dumped.

use std::collections::HashMap;

use commensal_images::messages::UnixSkEntry;
use commensal_images::{EntryWriter, Image};

use super::in_flight::InFlight;
use super::namespace::Networks;
use super::sock_diag::Tables;
use super::{Connections, lost_options, memberships, unix};
use crate::files::Images;
use crate::{External, Options, Result};

/// What the sockets of a tree share while they are being dumped.
pub(crate) struct Sockets<'s> {
    pub(super) policy: Policy,
    /// For each network namespace.
    pub(super) usual_options: HashMap<u32, lost_options::Usual>,
    pub(super) multicast: memberships::Groups,
    pub(super) tables: Tables,
    pub(super) peers: unix::Peers,
    /// Written last: a restore wants to see a peer before what is connected to it.
    pub(super) unix_entries: Vec<UnixSkEntry>,
    pub(super) in_flight: InFlight,
    /// Whether a unix socket of a tree that runs has something unread.
    pub(super) unread: bool,
    pub(super) queues: EntryWriter<'s>,
    pub(super) connections: Connections,
}

/// What the caller of the dump chose.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) tcp_established: bool,
    pub(super) tcp_close: bool,
    pub(super) skip_in_flight: bool,
    pub(super) external_unix: bool,
    pub(super) accept_loss: bool,
    pub(super) externals: Vec<u32>,
}

impl<'s> Sockets<'s> {
    /// None yet.
    pub(crate) fn new(images: &Images<'s>, options: &Options, networks: Networks) -> Result<Self> {
        let externals = options
            .external
            .iter()
            .filter_map(|external| match external {
                External::Unix { inode } => Some(*inode),
                _ => None,
            });
        Ok(Self {
            policy: Policy {
                tcp_established: options.tcp_established,
                tcp_close: options.tcp_close,
                skip_in_flight: options.skip_in_flight,
                external_unix: options.external_unix,
                accept_loss: options.accept_loss,
                externals: externals.collect(),
            },
            usual_options: HashMap::new(),
            multicast: memberships::Groups::default(),
            tables: Tables::of(networks),
            peers: unix::Peers::default(),
            unix_entries: Vec::new(),
            in_flight: InFlight::default(),
            unread: false,
            queues: images.entries(Image::SkQueues)?,
            connections: Connections::new(options),
        })
    }

    /// The tree lives in these network namespaces.
    pub(crate) fn begin(&mut self, networks: Networks) {
        self.tables.networks = networks;
    }

    /// Its network namespaces.
    pub(crate) fn networks(&self) -> &Networks {
        &self.tables.networks
    }

    /// Whether descriptors may be in flight that were not looked at: the queues of a tree that runs
    /// are not read.
    pub(crate) fn may_hold_more(&self) -> bool {
        self.unread
    }

    /// Completes the image of the queues; the connections stay held.
    pub(crate) fn finish(self) -> Result<Connections> {
        self.queues.finish()?;
        Ok(self.connections)
    }
}
