//! The distinct sets of groups that threads are in, numbered.

use std::collections::BTreeMap;
use std::path::PathBuf;

use commensal_images::messages::{
    CgControllerEntry, CgMemberEntry, CgSetEntry, CgroupEntry, CgroupPerms, CgroupPropEntry,
};
use commensal_sys::{Pid, Tid};

use super::hierarchy::{self, Groups, Source};
use super::namespace::Prefixes;
use super::{CgroupSelection, Freezer};
use crate::proc::cgroups::{Membership, memberships};
use crate::tree::namespaces::{IdsOfTree, own_pid};
use crate::{CgroupRoot, Options, Result};

/// The sets of groups that the threads of a tree are in. The first is that of
/// the dumping task.
#[derive(Debug)]
pub struct Cgroups {
    sets: Vec<Vec<Membership>>,
    prefixes: Prefixes,
    yard: Option<PathBuf>,
    selection: CgroupSelection,
    /// What the freezer of the tree's group did before the dump.
    freezer: Option<&'static str>,
    roots: Vec<CgroupRoot>,
}

/// The number of the dumping task's set.
const OWN: u32 = 1;

impl Cgroups {
    /// Begins with the dumping task and the root of the tree, which has these `namespaces`.
    ///
    /// # Errors
    ///
    /// When the root is gone, or its cgroup namespace cannot be looked into.
    pub fn new(root: Pid, namespaces: &IdsOfTree, options: &Options) -> Result<Self> {
        let own = own_pid();
        let freezer = options.freeze_cgroup.as_deref().map(Freezer::open);
        let selection = options.cgroup_selection.clone();
        Ok(Self {
            sets: vec![selected(&selection, own, own.leader())?],
            prefixes: Prefixes::of(root, namespaces.has_own("cgroup"))?,
            yard: options.cgroup_yard.clone(),
            selection,
            freezer: freezer.transpose()?.map(|freezer| freezer.former_state()),
            roots: options.cgroup_roots.clone(),
        })
    }

    /// The number of the dumping task's set, for the inventory.
    pub const fn own(&self) -> u32 {
        OWN
    }

    /// The number of the set that a thread is in.
    ///
    /// # Errors
    ///
    /// When the task is gone.
    pub fn set_of(&mut self, pid: Pid, tid: Tid) -> Result<u32> {
        let set = selected(&self.selection, pid, tid)?;
        let known = self.sets.iter().position(|known| *known == set);
        let index = known.unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        Ok(index as u32 + OWN)
    }

    /// The image; `None` where all tasks are in the dumping task's groups, and
    /// there is nothing to make again.
    ///
    /// # Errors
    ///
    /// When a group cannot be read.
    pub fn into_entry(self) -> Result<Option<CgroupEntry>> {
        if self.sets.len() == 1 && self.prefixes.is_empty() {
            return Ok(None);
        }
        // The dumping task's own set is only saved where the tree needs it.
        let first = if self.prefixes.is_empty() { 1 } else { 0 };
        let numbered = (OWN..).zip(&self.sets).skip(first);
        let sets = numbered.map(|(id, set)| self.set(id, set)).collect();
        Ok(Some(CgroupEntry {
            sets,
            controllers: self.controllers(first)?,
        }))
    }

    fn set(&self, id: u32, set: &[Membership]) -> CgSetEntry {
        let ctls = set.iter().map(|membership| CgMemberEntry {
            name: membership.hierarchy.clone(),
            path: membership.group.clone(),
            cgns_prefix: self.prefixes.get(&membership.hierarchy),
        });
        CgSetEntry {
            id,
            ctls: ctls.collect(),
        }
    }

    /// Where the user wants the groups of a hierarchy to be saved from.
    fn root_of(&self, hierarchy: &[u8]) -> Option<&[u8]> {
        let of = |root: &&CgroupRoot| match &root.hierarchy {
            Some(name) => name.as_bytes() == hierarchy,
            None => true,
        };
        // The last that names the hierarchy wins over one for all.
        let named = self
            .roots
            .iter()
            .filter(of)
            .max_by_key(|root| root.hierarchy.is_some());
        named.map(|root| root.group.as_bytes())
    }

    /// Every hierarchy, with the groups of it that the saved sets are in.
    fn controllers(&self, first: usize) -> Result<Vec<CgControllerEntry>> {
        let mut groups: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
        for membership in self.sets[first..].iter().flatten() {
            let of = groups.entry(&membership.hierarchy).or_default();
            of.push(&membership.group);
        }
        groups
            .into_iter()
            .map(|(hierarchy, mut groups)| {
                if let Some(root) = self.root_of(hierarchy) {
                    groups = vec![root];
                }
                groups.sort_unstable();
                groups.dedup();
                let source = Source {
                    yard: self.yard.as_deref(),
                    selection: &self.selection,
                };
                let Groups { mut dirs, threaded } = match self.selection.groups {
                    true => hierarchy::read(hierarchy, &groups, source)?,
                    false => Groups::default(),
                };
                if let (b"freezer", Some(state), Some(dir)) =
                    (hierarchy, self.freezer, dirs.first_mut())
                {
                    dir.properties.push(freezer_state(state));
                }
                Ok(CgControllerEntry {
                    cnames: names(hierarchy),
                    dirs,
                    is_threaded: Some(threaded),
                })
            })
            .collect()
    }
}

/// The groups of a thread in the hierarchies that are saved.
fn selected(selection: &CgroupSelection, pid: Pid, tid: Tid) -> Result<Vec<Membership>> {
    let mut groups = memberships(pid, tid)?;
    groups.retain(|group| selection.has(&group.hierarchy));
    Ok(groups)
}

/// What a restore leaves the freezer doing.
fn freezer_state(state: &str) -> CgroupPropEntry {
    CgroupPropEntry {
        name: "freezer.state".into(),
        value: state.into(),
        perms: Some(CgroupPerms {
            mode: 0o100_644,
            ..CgroupPerms::default()
        }),
    }
}

/// The controllers of a hierarchy, or its own name where it has none.
fn names(hierarchy: &[u8]) -> Vec<Vec<u8>> {
    let parts = hierarchy.split(|&byte| byte == b',');
    parts.map(<[u8]>::to_vec).collect()
}
