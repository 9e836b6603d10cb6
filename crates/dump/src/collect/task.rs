//! Collecting one task: which of its parts comes when.

use std::collections::HashMap;

use commensal_abi::TaskInfo;
use commensal_cured::Cured;
use commensal_images::messages::FsEntry;
use commensal_images::{Image, ImageSink};
use commensal_seized::{Seized, Thread};
use commensal_sys::Pid;
use commensal_sys::pidfd::PidFd;

use super::Collector;
use super::memory::{Copied, Copier};
use crate::Result;
use crate::files::{FdFlags, Table};
use crate::inside::{Inside, ask, told};
use crate::links::{self, MappedFiles};
use crate::mm::{FromInside, mm_entry};
use crate::proc::{self, Stat, Status};
use crate::records::{Task, Threads};
use crate::task::{leader, registers, thread};

impl<S: ImageSink> Collector<'_, '_, S> {
    /// Collects a task that is held, all but its place in the tree.
    pub(super) fn task(&mut self, task: Seized, stat: Stat, copier: &Copier<'_>) -> Result<Cured> {
        let pid = task.pid();
        let leader_status = Status::of_thread(pid, task.threads()[0].tid())?;
        let (records, whole) = self.told(&task, &leader_status)?;
        let statuses = statuses(&task, &leader_status, records.as_ref())?;
        let stop = leader::stop_signal(&task, &statuses);
        let timers = proc::timers(pid)?;
        let timer_ids: Vec<i32> = timers.iter().map(|timer| timer.id).collect();
        let fd_size = self.restores_table(pid).then_some(leader_status.fd_size);
        let whole = whole.filter(|_| timers.is_empty()).zip(records.as_ref());
        let told = whole.and_then(|(whole, threads)| told(&task, &whole, fd_size, threads));
        let held = task.threads().iter().zip(statuses);
        let threads = held
            .map(|(thread, status)| {
                let seen = thread::Seen {
                    status,
                    has_no_areas: records
                        .as_ref()
                        .is_some_and(|records| records.has_no_areas(thread.tid())),
                    stopped: stop.is_some(),
                    is_entered: told.is_none() && thread.tid() == pid.leader(),
                };
                thread::Outside::collect(pid, thread, seen, &self.layout)
            })
            .collect::<Result<Vec<_>>>()?;
        let blocked = threads[0].blocked;
        let seen = (&stat, &leader_status, timers);
        let outside = leader::Outside::collect(&task, seen, blocked, stop)?;
        let leader = outside.in_namespace(&self.pids, &self.users);
        let umask = threads[0].umask();

        let (cured, inside) = match told {
            Some(inside) => (Cured::untouched(task), inside),
            None => {
                copier.may_enter()?;
                ask(task, &timer_ids, fd_size, records.as_ref())?
            }
        };
        self.descriptors(pid, inside.open.as_deref())?;

        self.fs(pid, umask)?;
        self.set.one(
            Image::Ids(self.pids.task(pid)?.for_image()),
            &self.ids[&pid],
        )?;
        self.cores(pid, leader, threads, &inside)?;
        let copied = copier.wait()?;
        self.count(&copied);
        self.mm(&copied, &stat, &inside.task)?;
        Ok(cured)
    }

    /// What the kernel has written down of a task and its threads, as far as it is right about what the
    /// `leader` says of itself.
    fn told(&self, task: &Seized, leader: &Status) -> Result<(Option<Threads>, Option<Task>)> {
        let (Some(threads), whole) = self.records.task(task.pid()) else {
            return Ok((None, None));
        };
        let areas = registers::has_thread_areas(task.threads()[0].tid())?;
        let Some(threads) = threads.confirmed(leader, areas) else {
            return Ok((None, None));
        };
        Ok((
            Some(threads),
            whole.and_then(|whole| whole.confirmed(leader)),
        ))
    }

    /// Whether the task restores its descriptor table, and not another that shares it.
    fn restores_table(&self, pid: Pid) -> bool {
        self.pids
            .task(pid)
            .is_ok_and(|id| self.tables[&self.ids[&pid].files_id] == id)
    }

    /// The descriptor table, unless another task restores it.
    fn descriptors(&mut self, pid: Pid, open: Option<&[FdFlags]>) -> Result<()> {
        if !self.restores_table(pid) {
            return Ok(());
        }
        let files_id = self.ids[&pid].files_id;
        self.files.table(&Table {
            task: &PidFd::open(pid)?,
            files_id,
            open,
            records: &self.records.files(pid),
        })
    }

    fn count(&mut self, copied: &Copied) {
        self.figures.mappings += copied.mappings.len() as u64;
        self.have_uprobes |= copied.mappings.have_uprobes();
        self.figures.memory_dump += copied.time;
        self.figures.pages_scanned += copied.stats.scanned;
        self.figures.pages_written += copied.stats.written;
        self.figures.pages_in_parent += copied.stats.in_parent;
        self.figures.pages_lazy += copied.stats.lazy;
    }

    fn mm(&mut self, copied: &Copied, stat: &Stat, inside: &TaskInfo) -> Result<()> {
        let mappings = &copied.mappings;
        let pid = mappings.pid();
        // After the descriptors: a mapping may be of what one of them stands for.
        let mut files = MappedFiles {
            pid,
            files: &mut self.files,
            known: &mut self.mapped_files,
        };
        let vmas = mappings.to_entries(&copied.guards, &mut files)?;
        let exe = links::register(&mut self.files, pid, "exe")?;
        let inside = FromInside {
            brk: inside.brk,
            dumpable: inside.dumpable as i32,
            thp_disabled: inside.thp_disable != 0,
        };
        let entry = mm_entry(mappings, stat, inside, exe, vmas)?;
        Ok(self
            .set
            .one(Image::Mm(self.pids.task(pid)?.for_image()), &entry)?)
    }

    fn fs(&mut self, pid: Pid, umask: u32) -> Result<()> {
        let entry = FsEntry {
            cwd_id: links::register(&mut self.files, pid, "cwd")?,
            root_id: links::register(&mut self.files, pid, "root")?,
            umask: Some(umask),
        };
        Ok(self
            .set
            .one(Image::Fs(self.pids.task(pid)?.for_image()), &entry)?)
    }

    /// The image of every thread, the leader's with what belongs to the task.
    fn cores(
        &mut self,
        pid: Pid,
        leader: leader::Outside,
        threads: Vec<thread::Outside>,
        inside: &Inside,
    ) -> Result<()> {
        let task = leader.complete(&inside.task, &inside.timers)?;
        let mut cores = Vec::new();
        // Of threads whose groups are known to be the same.
        let mut sets = HashMap::new();
        for thread in threads {
            let known = inside.of(thread.tid)?;
            let mut core =
                thread.complete(&known.info, self.security, (&self.users, self.options))?;
            if let Some(cgroups) = &mut self.cgroups {
                core.core.cg_set = Some(match known.groups.and_then(|key| sets.get(&key)) {
                    Some(set) => *set,
                    None => cgroups.set_of(pid, core.tid)?,
                });
                sets.extend(known.groups.zip(core.core.cg_set));
            }
            cores.push(core);
        }
        self.filters
            .task(cores.iter_mut().map(|core| (&core.seccomp, &mut core.core)));
        let mut task = Some(task);
        for core in cores {
            let image = self.pids.thread(pid, core.tid)?.core();
            let task = task.take();
            self.set.one_later(image, || core.into_entry(task))?;
        }
        Ok(())
    }
}

/// The statuses of all threads, that of the leader first.
fn statuses(task: &Seized, leader: &Status, records: Option<&Threads>) -> Result<Vec<Status>> {
    let status = |thread: &Thread| {
        let tid = thread.tid();
        match records.and_then(|records| records.status(tid, leader)) {
            Some(status) => Ok(status),
            None => Status::of_thread(task.pid(), tid),
        }
    };
    let others = task.threads()[1..].iter().map(status);
    std::iter::once(Ok(leader.clone())).chain(others).collect()
}
