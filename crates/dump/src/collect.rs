//! What is collected of each task of a tree that stands still, and in which
//! order.

mod finish;
mod memory;
mod task;

use std::collections::HashMap;
use std::sync::Arc;

use commensal_cured::Cured;
use commensal_images::messages::{LsmType, TaskKobjIdsEntry};
use commensal_images::{ImageSet, ImageSink};
use commensal_sys::Pid;

use crate::cgroup::Cgroups;
use crate::files::{Around, FilesDump, Images};
use crate::ipc::Segments;
use crate::links::{self, KnownFiles};
use crate::mm::PageWriter;
use crate::net::namespace::Networks;
use crate::pidns::{Pids, VirtualId};
use crate::prepare::Prepared;
use crate::proc::Stat;
use crate::records::Records;
use crate::task::seccomp::Filters;
use crate::task::xsave::Layout;
use crate::task::{leader, security};
use crate::tree::ids::Ids;
use crate::tree::image::Node;
use crate::tree::namespaces::{IdsOfTree, tree_id};
use crate::tree::{Body, Frozen, Member};
use crate::userns::{self, Users};
use crate::{Error, Options, Result, Summary};

pub use finish::Collected;
use memory::Asked;
pub use memory::{Copier, Memory};

/// Collects one task after the other, and what they share.
pub struct Collector<'s, 'p, S> {
    set: &'s ImageSet<S>,
    layout: Arc<Layout>,
    security: LsmType,
    objects: Ids,
    root: Pid,
    /// The tasks of the running tree.
    running: Vec<Pid>,
    cgroups: Option<Cgroups>,
    /// Their sets in the images, by what the kernel has for the groups of threads.
    sets: HashMap<u64, u32>,
    own_ids: TaskKobjIdsEntry,
    root_ids: TaskKobjIdsEntry,
    ids: HashMap<Pid, TaskKobjIdsEntry>,
    /// For each descriptor table the task that restores it.
    tables: HashMap<u32, VirtualId>,
    files: FilesDump<'s>,
    mapped_files: KnownFiles,
    /// The file entries of links, by what the kernel has for what they lead to.
    links: HashMap<[u64; 2], u32>,
    pages: &'p PageWriter<'s, S>,
    filters: Filters,
    records: Records,
    nodes: Vec<Node>,
    /// Of an IPC namespace of the tree's own.
    segments: Option<Segments>,
    options: &'s Options,
    pids: Pids,
    users: Users,
    figures: Summary,
    have_uprobes: bool,
}

impl<'s, 'p, S: ImageSink> Collector<'s, 'p, S> {
    /// Reads what can be read of the running tree of `root`, so that it need not be while the
    /// tree stands still.
    ///
    /// # Errors
    ///
    /// When /proc cannot be read.
    pub fn prepare(
        root: Pid,
        set: &'s ImageSet<S>,
        prepared: &Prepared,
        (records, cgroups): (Records, Option<Cgroups>),
        pages: &'p PageWriter<'s, S>,
        options: &'s Options,
    ) -> Result<Self> {
        let running = tasks_of(root, prepared);
        let pids = &prepared.pids;
        let around = match &options.pre_copy {
            None => prepared.around.clone(),
            // That took its time.
            Some(_) => Around::of(&running, (pids, &IdsOfTree::of(root)?), options)?,
        };
        let mut files = FilesDump::new(Images::of(set), (around, pids.clone()), options)?;
        let mut mapped_files = KnownFiles::new();
        for mappings in prepared.mapped.mappings.values() {
            links::foresee(&mut files, &mut mapped_files, mappings);
        }
        let tasks = prepared.mapped.mappings.keys().copied();
        files.foresee_descriptors(tasks.filter(|pid| !records.have_files(*pid)));
        Ok(Self {
            set,
            layout: Arc::new(Layout::of_this_processor()),
            security: security::module(),
            own_ids: prepared.ids.own().clone(),
            objects: prepared.ids.clone(),
            root,
            records,
            running,
            root_ids: TaskKobjIdsEntry::default(),
            cgroups,
            sets: HashMap::new(),
            ids: HashMap::new(),
            tables: HashMap::new(),
            files,
            mapped_files,
            links: HashMap::new(),
            pages,
            filters: Filters::default(),
            nodes: Vec::new(),
            segments: None,
            options,
            pids: prepared.pids.clone(),
            users: prepared.users.clone(),
            figures: Summary::default(),
            have_uprobes: false,
        })
    }

    /// The tasks that were there when the running tree was looked at.
    pub fn tasks(&self) -> impl Iterator<Item = Pid> {
        self.running.iter().copied()
    }

    /// What the kernel has written down of the running tree.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Begins with the tree that stands still, whose memory is copied from here on.
    ///
    /// # Errors
    ///
    /// Refused where two tasks share what a restore cannot make shared, or where the tree has
    /// meanwhile gone into a user namespace that cannot be restored.
    pub fn begin(&mut self, frozen: &Frozen, copier: &Copier) -> Result<()> {
        let is_live = |member: &&Member| matches!(member.body, Body::Live(_));
        let live = frozen.members.iter().filter(is_live);
        self.pids
            .refresh(frozen.members.iter().map(Member::with_threads))?;
        for member in live.clone() {
            if let Body::Live(task) = &member.body {
                let id = self.pids.task(member.pid)?;
                let stacks = task.threads().iter();
                let stacks = stacks.map(|thread| thread.registers().rsp);
                self.pages.stacks(id, stacks);
            }
        }
        let live: Vec<_> = live.map(|member| member.pid).collect();
        let forked = live.iter().any(|pid| !self.running.contains(pid));
        for &pid in &live {
            let id = self.pids.task(pid)?;
            // Before it is entered, which maps something.
            self.records.read(pid);
            copier.copy(Asked {
                pid,
                id,
                forked,
                entered: !self.records.have_whole(pid),
                mapping_changes: self.records.mapping_changes(pid),
            })?;
        }
        let told = self.records.objects(&live);
        if let Some((own, _)) = &told {
            self.objects.are_told(own);
        }
        for &pid in &live {
            let told = told.as_ref().map(|(_, told)| &told[&pid]);
            let entry = self.objects.of(pid, told)?;
            let id = self.pids.task(pid)?;
            let restorer = self.tables.entry(entry.files_id).or_insert(id);
            *restorer = id.min(*restorer);
            self.ids.insert(pid, entry);
        }
        let root = frozen.members[0].pid;
        let root_ids = self.ids.get(&root).ok_or(Error::Gone { pid: root })?;
        self.root_ids = root_ids.clone();
        let are_own = |kind, id| id == Some(tree_id(kind));
        if are_own("ipc", self.root_ids.ipc_ns_id) {
            self.segments = Some(Segments::list(root)?);
        }
        let segments = self.segments.iter().flat_map(Segments::ids);
        self.files.reserve_shared_memory(segments);
        let pids = frozen.members.iter().map(|member| member.pid);
        let own_users = are_own("user", self.root_ids.user_ns_id);
        self.users.look_again(root, own_users)?;
        let refusals = userns::check(root, &self.users)?;
        if !refusals.is_empty() {
            return Err(refusals.into());
        }
        let users = self.users.clone();
        self.files.begin(pids.collect(), self.pids.clone(), users);
        let namespaces = self.objects.of_namespaces();
        let namespaces = namespaces.ok_or(Error::Gone { pid: root })?;
        self.files
            .read_namespaces(&self.objects.one_for_each_namespace(), &namespaces)
    }

    /// What the tree calls users and groups, once it has begun.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// The network namespaces of the tree, once it has begun.
    pub fn networks(&self) -> &Networks {
        self.files.networks()
    }

    /// Collects one task and writes its images. It is held still afterwards.
    ///
    /// # Errors
    ///
    /// What could not be dumped; the task runs on.
    pub fn member(&mut self, member: Member, copier: &Copier) -> Result<Option<Cured>> {
        let pid = member.pid;
        let stat = Stat::read(pid)?;
        self.figures.tasks += 1;
        let id = self.pids.task(pid)?;
        let parent = member.parent.map(|parent| self.pids.task(parent));
        let (pgid, sid) = self.pids.group_and_session(pid, stat.pgrp, stat.session)?;
        let mut node = Node {
            pid: id,
            parent: parent.transpose()?,
            pgid,
            sid,
            threads: vec![id],
        };
        let cured = match member.body {
            Body::Zombie => {
                self.set.one(id.core(), &leader::zombie(&stat))?;
                None
            }
            Body::Live(task) => {
                let tids = task.threads().iter().map(|thread| thread.tid());
                let threads = tids.map(|tid| self.pids.thread(pid, tid));
                node.threads = threads.collect::<Result<_>>()?;
                Some(self.task(task, stat, copier)?)
            }
        };
        self.figures.threads += node.threads.len() as u64;
        self.nodes.push(node);
        Ok(cured)
    }
}

/// The tasks of a tree that was looked at, the root first.
fn tasks_of(root: Pid, prepared: &Prepared) -> Vec<Pid> {
    let others = prepared.mapped.mappings.keys().filter(|pid| **pid != root);
    std::iter::once(root).chain(others.copied()).collect()
}
