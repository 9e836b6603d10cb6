//! Collecting one task: which of its parts comes when.

use commensal_abi::TaskInfo;
use commensal_cured::Cured;
use commensal_images::messages::FsEntry;
use commensal_images::{Image, ImageSink};
use commensal_seized::{Seized, Thread};
use commensal_sys::Pid;
use commensal_sys::pidfd::PidFd;
use commensal_sys::task_iter::Objects;

use super::Collector;
use super::memory::{Copied, Copier};
use crate::Result;
use crate::files::{FdFlags, Table};
use crate::inside::{Inside, ask, ask_stopped, told};
use crate::links::{self, MappedFiles};
use crate::mm::{FromInside, mm_entry};
use crate::proc::{Stat, Status};
use crate::records::{Task, Threads};
use crate::task::misc::Plain;
use crate::task::{leader, registers, thread, unsaved};

impl<S: ImageSink> Collector<'_, '_, S> {
    /// Collects a task that is held, all but its place in the tree.
    pub(super) fn task(&mut self, task: Seized, stat: Stat, copier: &Copier) -> Result<Cured> {
        let pid = task.pid();
        let leader_status = Status::of_thread(pid, task.threads()[0].tid())?;
        let (records, whole) = self.told(&task, &leader_status)?;
        let statuses = statuses(&task, &leader_status, records.as_ref())?;
        let stop = leader::stop_signal(&task, &statuses);
        let plain = whole.as_ref().and_then(Task::plain);
        let plain = plain.map_or_else(|| Plain::read(pid), Ok)?;
        let timers: Vec<i32> = plain.timers.iter().map(|timer| timer.id).collect();
        let fd_size = self.restores_table(pid).then_some(leader_status.fd_size);
        let known = whole.as_ref().filter(|_| timers.is_empty());
        let known = known.zip(records.as_ref());
        let told = known.and_then(|(whole, threads)| told(&task, whole, fd_size, threads));
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
        let seen = (&stat, &leader_status, plain);
        let outside = leader::Outside::collect(&task, seen, blocked, stop)?;
        let leader = outside.in_namespace(&self.pids, &self.users);
        let umask = threads[0].umask();

        let (cured, inside) = match told {
            Some(inside) => (Cured::untouched(task), inside),
            None if stop.is_some() => {
                copier.may_enter()?;
                ask_stopped(task, &timers)?
            }
            None => {
                copier.may_enter()?;
                ask(task, &timers, fd_size, records.as_ref())?
            }
        };
        unsaved::check(pid, &inside.task, self.options.accept_loss)?;
        self.descriptors(pid, inside.open.as_deref())?;

        let objects = whole.as_ref().map(Task::objects);
        self.fs(pid, umask, objects)?;
        self.set.one(
            Image::Ids(self.pids.task(pid)?.for_image()),
            &self.ids[&pid],
        )?;
        self.cores(pid, leader, threads, &inside)?;
        let copied = copier.wait()?;
        self.count(&copied);
        self.mm(&copied, &stat, &inside.task, whole.as_ref())?;
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

    fn mm(
        &mut self,
        copied: &Copied,
        stat: &Stat,
        inside: &TaskInfo,
        told: Option<&Task>,
    ) -> Result<()> {
        let mappings = &copied.mappings;
        let pid = mappings.pid();
        // After the descriptors: a mapping may be of what one of them stands for.
        let mut files = MappedFiles {
            pid,
            files: &mut self.files,
            known: &mut self.mapped_files,
        };
        let vmas = mappings.to_entries(&copied.guards, &mut files)?;
        let program = told.map(|told| [told.objects().program, 0]);
        let exe = self.link(pid, "exe", program)?;
        let inside = FromInside {
            brk: inside.brk,
            dumpable: inside.dumpable as i32,
            thp_disabled: inside.thp_disable != 0,
            auxiliary_vector: told.map(Task::auxiliary_vector),
        };
        let entry = mm_entry(mappings, stat, inside, exe, vmas)?;
        Ok(self
            .set
            .one(Image::Mm(self.pids.task(pid)?.for_image()), &entry)?)
    }

    fn fs(&mut self, pid: Pid, umask: u32, told: Option<&Objects>) -> Result<()> {
        let entry = FsEntry {
            cwd_id: self.link(pid, "cwd", told.map(|told| told.directory))?,
            root_id: self.link(pid, "root", told.map(|told| told.root))?,
            umask: Some(umask),
        };
        Ok(self
            .set
            .one(Image::Fs(self.pids.task(pid)?.for_image()), &entry)?)
    }

    /// The file entry of a link, which is that of all links to what the kernel has the same numbers
    /// for.
    fn link(&mut self, pid: Pid, name: &'static str, told: Option<[u64; 2]>) -> Result<u32> {
        if let Some(id) = told.and_then(|told| self.links.get(&told)) {
            return Ok(*id);
        }
        let id = links::register(&mut self.files, pid, name)?;
        self.links.extend(told.map(|told| (told, id)));
        Ok(id)
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
        for thread in threads {
            let known = inside.of(thread.tid)?;
            let mut core =
                thread.complete(&known.info, self.security, (&self.users, self.options))?;
            if let Some(cgroups) = &mut self.cgroups {
                core.core.cg_set = Some(match known.groups.and_then(|key| self.sets.get(&key)) {
                    Some(set) => *set,
                    None => cgroups.set_of(pid, core.tid)?,
                });
                self.sets.extend(known.groups.zip(core.core.cg_set));
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
