//! What is done while the tree stands still, and until all is written.

use std::time::{Duration, Instant};

use commensal_images::messages::InventoryEntry;
use commensal_images::{ImageSet, ImageSink};
use commensal_sys::Pid;
use commensal_sys::caretaker::Caretaker;

use crate::collect::{Collected, Collector, Copier};
use crate::end::{End, Tree};
use crate::let_go::Standing;
use crate::mm::{LazyPages, LazyServer};
use crate::net::namespace::Networks;
use crate::stages::Stages;
use crate::tree::{self, Candidates, Frozen};
use crate::{Options, Result, Then, inventory, timens};

/// What a dump is made with.
pub struct Scene<'s, 'a, S> {
    /// Where it goes.
    pub set: &'s ImageSet<S>,
    /// Who is told of it.
    pub stages: &'a Stages<'a>,
    /// The network namespaces that were looked at.
    pub networks: &'a Networks,
    /// What the dump is called.
    pub run_id: &'a str,
    /// What was asked for.
    pub options: &'a Options,
}

/// A dump of which only the inventory is not written.
pub struct Still<'s, 'a> {
    /// How it ends.
    pub end: End<'a>,
    /// How long it took to stop the tree.
    pub freezing: Duration,
    /// What became of the tree.
    pub tree: Tree,
    /// What was collected.
    pub collected: Collected<'s>,
    /// The inventory.
    pub inventory: InventoryEntry,
}

impl<'s, 'a, S: ImageSink> Scene<'s, 'a, S> {
    /// Stops the tree, collects it and lets it go as soon as it may run on; writes all but the inventory.
    ///
    /// # Errors
    ///
    /// Why there is no image set. The tree runs on.
    pub fn dump(
        &self,
        root: Pid,
        (collector, candidates): (Collector<'s, '_, S>, Candidates),
        copier: &Copier,
        lazy: Option<(LazyServer, &'a LazyPages)>,
        caretaker: &Caretaker,
    ) -> Result<Still<'s, 'a>> {
        let started = Instant::now();
        let mut frozen = tree::freeze(root, candidates, collector.records(), self.options)?;
        if self.options.then == Then::Kill {
            frozen.doom();
        }
        let freezing = started.elapsed();
        self.stages.lock_network()?;
        let (mut collected, standing) = self.images(frozen, collector, copier)?;
        let end = End {
            stages: self.stages,
            options: self.options,
            frozen_since: started,
            lazy,
        };
        let (tree, lost) = end.collected(standing, collected.unread.take())?;
        collected.figures.unread_terminals = lost;
        if let Tree::RunsOn { .. } = tree {
            caretaker.let_go();
        }
        copier.write()?;
        self.set.flush()?;
        let inventory = inventory::inventory(self.options, &collected, self.run_id);
        copier.written()?;
        Ok(Still {
            end,
            freezing,
            tree,
            collected,
            inventory,
        })
    }

    /// Collects a tree that stands still, and writes all images that tell of it.
    fn images(
        &self,
        frozen: Frozen,
        mut collector: Collector<'s, '_, S>,
        copier: &Copier,
    ) -> Result<(Collected<'s>, Standing)> {
        let (set, options) = (self.set, self.options);
        let root = frozen.members[0].pid;
        collector.begin(&frozen, copier)?;
        copier.asked_for_all()?;
        let networks = collector.networks().clone();
        networks.check(self.networks, options)?;
        networks.dump((set, collector.users()), options, self.run_id)?;
        let mut tasks = Vec::new();
        for member in frozen.members {
            options.cancel.check()?;
            tasks.extend(collector.member(member, copier)?);
        }
        let (collected, connections) = collector.finish()?;
        options.cancel.check()?;
        timens::write(set, root, &collected.root_ids)?;
        networks.dump_links(set, options, &collected.tun_devices)?;
        let standing = Standing {
            tasks,
            group: frozen.group,
            connections,
            own_network: networks.are_own(),
            own_pids: collected.own_pids,
        };
        Ok((collected, standing))
    }
}
