//! The TCP connections of a tree from the moment they are saved until the tree
//! is let go.
//!
//! Their packets are held back all that time, so that what was saved stays
//! true. A tree that is to be killed goes into repair mode once more right
//! before: a connection in repair mode ends without a word to its peer, which
//! then waits for the restore.

use std::collections::HashMap;

use commensal_images::messages::InetSkEntry;

use super::address::Connection;
use super::changes::Changes;
use super::lock::Lock;
use super::namespace::Networks;
use super::tcp::{self, Stream};
use crate::files::OpenFile;
use crate::{External, NetworkLock, Options, Result, Then};

/// The saved connections. Dropping it lets their packets through and puts the
/// sockets back as they were.
pub struct Connections {
    pub(super) changes: Changes,
    lock: Lock,
    /// In network namespaces of the tree other than its root's, which we are in.
    locks: HashMap<u32, Lock>,
    networks: Networks,
    /// What the restore is given.
    external: Vec<External>,
    /// As the options have it, or what there is once there is a connection.
    method: Option<NetworkLock>,
    /// Whether the tree is to go on by a restore alone.
    for_restore: bool,
    saved: Vec<OpenFile>,
    /// Connections that are still to be saved.
    waiting: Vec<Waiting>,
}

struct Waiting {
    file: OpenFile,
    entry: InetSkEntry,
    connection: Connection,
}

impl Connections {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            changes: Changes::default(),
            lock: Lock::default(),
            locks: HashMap::new(),
            networks: Networks::default(),
            external: options.external.clone(),
            method: options.network_lock,
            for_restore: match options.then {
                Then::Resume => false,
                Then::Stop => options.stop_for_restore,
                Then::Kill => true,
            },
            saved: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Adds a connection that is to be saved.
    pub(super) fn add(
        &mut self,
        file: &OpenFile,
        entry: InetSkEntry,
        connection: Connection,
    ) -> Result<()> {
        // Looked for by the first connection, which is seen while the tree still runs.
        self.method.get_or_insert_with(NetworkLock::installed);
        let file = file.try_clone()?;
        self.waiting.push(Waiting {
            file,
            entry,
            connection,
        });
        Ok(())
    }

    /// Whether a file's connection is still to be saved.
    pub(super) fn will_save(&self, id: u32) -> bool {
        self.waiting.iter().any(|one| one.entry.id == id)
    }

    /// Holds the packets of all connections back, in as few steps as possible.
    pub(super) fn hold_back(&mut self, networks: Networks) -> Result<()> {
        self.networks = networks;
        let mut namespaces: HashMap<u32, Vec<Connection>> = HashMap::new();
        for one in &self.waiting {
            let id = one.entry.ns_id();
            namespaces.entry(id).or_default().push(one.connection);
        }
        for (id, connections) in namespaces {
            let method = self.method();
            if self.networks.is_here(id) {
                if let Some(undo) = self.lock.set_up(method)? {
                    self.changes.if_we_die(&undo)?;
                }
                self.lock.hold(&connections)?;
                continue;
            }
            let lock = self.locks.entry(id).or_default();
            self.networks
                .inside(id, || lock.set_up_elsewhere(method))??;
            lock.hold(&connections)?;
        }
        Ok(())
    }

    /// Saves the next connection, which must be held back.
    pub(super) fn save_next(&mut self) -> Result<Option<(InetSkEntry, Stream)>> {
        let Some(Waiting {
            file, mut entry, ..
        }) = self.waiting.pop()
        else {
            return Ok(None);
        };
        let (info, stream) = tcp::save(&file, &mut self.changes)?;
        entry.state = info.raw_state().into();
        if self.for_restore {
            self.saved.push(file);
        }
        Ok(Some((entry, stream)))
    }

    fn method(&self) -> NetworkLock {
        self.method.unwrap_or_else(NetworkLock::installed)
    }

    /// Lets the tree go with `let_go`, and its packets with it.
    ///
    /// A tree that runs on gets its packets before it runs. One that is killed, or
    /// left stopped for a restore, gets none until then: `run_id`, the inventory's name
    /// of this dump, says to the restore which lock to take away. That of the root's network
    /// namespace, if that is its own, is locked as a whole.
    ///
    /// # Errors
    ///
    /// Those of `let_go`, or where the lock cannot be changed.
    pub fn let_go(
        mut self,
        then: Then,
        run_id: &str,
        own_namespace: bool,
        let_go: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        if then == Then::Resume || !self.for_restore {
            let locks = [&mut self.lock].into_iter().chain(self.locks.values_mut());
            let released = locks.map(Lock::release).fold(Ok(()), Result::and);
            let released = released.and_then(|()| self.changes.forget());
            return let_go().and(released);
        }
        self.repair_all()?;
        let_go()?;
        let method = self.method();
        match own_namespace {
            true => self.lock.leave_all_to_restore(method, run_id)?,
            false => self.lock.leave_to_restore(method, run_id)?,
        }
        for (id, mut lock) in self.locks.drain() {
            // The restore takes no lock away there, so one that it goes on in has none.
            if !self.networks.is_external(id, &self.external) {
                let leave = || lock.leave_to_restore(method, run_id);
                self.networks.inside(id, leave)??;
            }
        }
        self.changes.forget()
    }

    /// Makes all connections end silently.
    fn repair_all(&mut self) -> Result<()> {
        for file in &self.saved {
            let changes = tcp::repair_changes(file)?;
            self.changes.keep(file, &changes)?;
        }
        Ok(())
    }
}
