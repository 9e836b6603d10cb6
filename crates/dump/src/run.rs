//! The dump, in order.

use std::io::Write;
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Instant;

use commensal_images::stream::{Compression, ImageStream};
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_seized::{Silence, caretaker};
use commensal_sys::Pid;

use crate::choices;
use crate::collect::{Collected, Collector, Copier, Memory};
use crate::cpu_info::cpu_info;
use crate::end::{End, Tree};
use crate::let_go::Standing;
use crate::mm::{LazyPages, LazyServer, PageServer, PageWriter};
use crate::net::namespace::{self as network, Entered, Networks};
use crate::output::{auto_dedup, images_dir, share, size_of_images, write_stats};
use crate::prepare::Prepared;
use crate::progress::Progress;
use crate::punctual::Punctual;
use crate::records::Loading;
use crate::stages::Stages;
use crate::tree::{self, Frozen};
use crate::{Error, Hooks, Options, Result, Summary, Then, inventory, preflight, timens};

/// Dumps the tree of `root` into the directory that `options` name.
///
/// The inventory is written last: a directory without it is not an image set.
///
/// # Errors
///
/// Why there is no image set; the tree runs on as before, whatever
/// [`Options::then`] says.
pub fn dump(root: Pid, options: &Options, hooks: &dyn Hooks) -> Result<Summary> {
    let started = Instant::now();
    let sink = |prepared: &mut Prepared| {
        let dir = images_dir(options)?;
        match (&options.pre_copy, &options.prev_images) {
            (Some(how), _) => prepared.pre_copy(how, &dir, options)?,
            (None, Some(target)) => prepared.build_on(target, &dir)?,
            (None, None) => {}
        }
        Ok(dir)
    };
    let (mut summary, dir) = run(root, sink, options, hooks)?;
    if summary.own_users {
        share(&options.images_dir);
    }
    auto_dedup(options);
    summary.bytes_written += size_of_images(&options.images_dir);
    summary.total = started.elapsed();
    write_stats(&dir, options, &summary)?;
    Ok(summary)
}

/// Dumps the tree of `root` into `output`, as one [stream](commensal_images::stream); of the
/// directories in `options` none is used but the work directory.
///
/// The tree is let go, or killed, when `output` has taken the whole image set: what becomes of it
/// there is not known here.
///
/// # Errors
///
/// As [`dump`].
pub fn dump_stream(
    root: Pid,
    output: impl Write + Send + 'static,
    compression: Compression,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Summary> {
    let started = Instant::now();
    choices::refuse_stream(root, options)?;
    let stream = |_: &mut Prepared| {
        let cancel = options.cancel.clone();
        let give_up = Box::new(move || cancel.check().is_err());
        Ok(ImageStream::begin(output, compression, give_up)?)
    };
    let run = run(root, stream, options, hooks);
    // What was given up is no failure of the stream.
    let (mut summary, stream) = run.or_else(|error| options.cancel.check().and(Err(error)))?;
    summary.bytes_written = stream.bytes();
    summary.total = started.elapsed();
    write_stats(&stream, options, &summary)?;
    stream.finish()?;
    Ok(summary)
}

/// Dumps the tree into a sink that is made once nothing is refused; gives the sink back with the
/// set complete.
fn run<S: ImageSink + Send>(
    root: Pid,
    sink: impl FnOnce(&mut Prepared) -> Result<S> + Send,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<(Summary, S)> {
    choices::refuse_lazy(root, options)?;
    // From our own network.
    let server = options.page_server.as_ref().map(PageServer::connect);
    let server = server.transpose()?;
    let lazy = options.lazy_pages.as_ref().map(LazyServer::listen);
    let lazy = lazy.transpose()?;
    network::inside(root, |network| {
        let around = Surroundings {
            network,
            server,
            lazy,
        };
        run_here(root, sink, options, hooks, around)
    })
}

/// What lies around a dump, if there is such a thing.
struct Surroundings<'n> {
    /// The network namespace of the tree's root, another than ours, which we are in.
    network: Option<&'n Entered>,
    /// What takes the pages.
    server: Option<PageServer>,
    /// What gives those that stay in the tree to who fetches them.
    lazy: Option<LazyServer>,
}

/// The same, from a thread that is in the tree's network namespace.
fn run_here<S: ImageSink>(
    root: Pid,
    sink: impl FnOnce(&mut Prepared) -> Result<S>,
    options: &Options,
    hooks: &dyn Hooks,
    Surroundings {
        network,
        server,
        lazy,
    }: Surroundings<'_>,
) -> Result<(Summary, S)> {
    let options = &choices::lock_of_own_network(options, network);
    // To be there for all stops; it is a copy of us, and we are still small.
    let caretaker = caretaker()?;
    let readers = match options.bpf {
        true => Loading::begin(),
        false => Loading::none(),
    };
    let run_id = inventory::run_id();
    let (mut prepared, warnings) = preflight::check(root, options, &readers)?;
    let networks = prepared.around.networks.clone();
    networks.check(&Networks::default(), options)?;
    let set = ImageSet::new(sink(&mut prepared)?);
    if options.cpu_info {
        set.one(Image::Cpuinfo, &cpu_info()?)?;
    }
    let rounds = prepared.rounds;
    let progress = Progress::new(hooks);
    let copied = |bytes| progress.add(bytes);
    let stay = LazyPages::default();
    let pages = PageWriter::new(&set)
        .lazy(lazy.is_some().then_some(&stay))
        .workers(workers())
        .cancel(options.cancel.clone())
        .progress(&copied)
        .server(server.as_ref());
    let records = std::mem::take(&mut prepared.mapped.records);
    let open = prepared.mapped.open_descriptors();
    let records = records.with_files(prepared.mapped.mappings.keys(), open, readers.readers());
    let of_all = (records, prepared.cgroups.take());
    let prepared = RwLock::new(prepared);
    let look_closer = || {
        let prepared = prepared.read().unwrap_or_else(PoisonError::into_inner);
        warnings.say(&prepared.users, options);
        let collector = Collector::prepare(root, &set, &prepared, of_all, &pages, options)?;
        // The tasks of a group that is frozen already could not be looked at: they do not come to rest.
        let looked_at = options.freeze_cgroup.is_none();
        let tasks = collector.tasks().filter(|_| looked_at);
        let candidates = tree::candidates(tasks, |pid| prepared.mapped.is_told(pid))?;
        Ok::<_, Error>((collector, candidates))
    };
    let stages = Stages::new(hooks, network);
    let silence = Silence::of_thread();
    let _punctual = Punctual::start();
    let still = thread::scope(|scope| {
        let copier = Copier::start(scope, Memory::new(&prepared, &pages), silence.clone())?;
        let (collector, candidates) = look_closer()?;
        progress.expect(copier.reserved()?);
        options.cancel.check()?;
        // Who is told something may keep us waiting.
        let silence = silence.keep();
        let freezing = Instant::now();
        let mut frozen = tree::freeze(root, candidates, collector.records(), options)?;
        if options.then == Then::Kill {
            frozen.doom();
        }
        let time = freezing.elapsed();
        stages.lock_network()?;
        let networks = (&networks, &*run_id);
        let (mut collected, standing) =
            images(&set, frozen, collector, &copier, networks, options)?;
        let end = End {
            stages: &stages,
            options,
            frozen_since: freezing,
            lazy: lazy.map(|server| (server, &stay)),
        };
        let (tree, lost) = end.collected(standing, collected.unread.take())?;
        collected.figures.unread_terminals = lost;
        if let Tree::RunsOn { .. } = tree {
            caretaker.let_go();
        }
        copier.write()?;
        set.flush()?;
        let inventory = inventory::inventory(options, &collected, &run_id);
        copier.written()?;
        Ok::<_, Error>((end, time, tree, collected, inventory, silence))
    });
    let (end, freezing, tree, collected, inventory, _silence) = still?;
    server.as_ref().map_or(Ok(()), PageServer::close)?;
    let Collected { figures, links, .. } = collected;
    drop(pages);
    let sink = set.finish(&inventory)?;
    links.keep();
    let frozen = end.images_complete(tree, inventory.dump_criu_run_id())?;
    // What tracks the writes of tasks takes as long to end as a scan: better when the tree runs again.
    drop(prepared);
    let summary = Summary {
        freezing,
        frozen,
        rounds: rounds.count,
        pages_pre_copied: rounds.pages,
        bytes_written: rounds.bytes,
        ..figures
    };
    Ok((summary, sink))
}

/// Collects a tree that stands still, and writes all images that tell of it.
fn images<'s, S: ImageSink>(
    set: &'s ImageSet<S>,
    frozen: Frozen,
    mut collector: Collector<'s, '_, S>,
    copier: &Copier,
    (looked_at, run_id): (&Networks, &str),
    options: &'s Options,
) -> Result<(Collected<'s>, Standing)> {
    let root = frozen.members[0].pid;
    collector.begin(&frozen, copier)?;
    copier.asked_for_all()?;
    let networks = collector.networks().clone();
    networks.check(looked_at, options)?;
    networks.dump((set, collector.users()), options, run_id)?;
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

/// How many threads copy pages: they are bound by memory, not by processors.
fn workers() -> usize {
    const MOST: usize = 4;
    // Without a look into the files of control groups.
    let processors = rustix::thread::sched_getaffinity(None);
    processors.map_or(1, |set| (set.count() as usize).min(MOST))
}
